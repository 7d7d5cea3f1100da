//! What the registry promises, tried with rows made by hand.

use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::Int64Type;
use tokio::sync::Notify;

use super::*;
use crate::run::rows_from;
use crate::session::Speaker;
use brickyard_types::{ManualClock, Principal, PrincipalKind, SeededEntropy};

/// Answers with rows made by hand: `n` numbers for the statement `n`.
struct ByHand {
    /// `wait` waits for it.
    go_on: Arc<Notify>,
}

#[async_trait]
impl Runner for ByHand {
    async fn run(
        &self,
        _: &Session,
        statement: &str,
        _: &[Parameter],
        _: &mut Vec<Trace>,
    ) -> Result<Answer, SqlError> {
        let batch = match statement {
            "wait" => {
                self.go_on.notified().await;
                numbers(1)
            }
            "fail" => return Err(SqlError::condition("DIVIDE_BY_ZERO", "22012", "Division by zero.")),
            "panic" => panic!("a bug of the engine"),
            "values" => values(),
            n => numbers(n.parse().unwrap()),
        };
        let (schema, rows) = rows_from(batch.schema(), vec![batch]);
        Ok(Answer { schema, rows })
    }
}

fn numbers(n: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn values() -> RecordBatch {
    let lists = [Some(vec![Some(1), None]), None];
    let columns: [(&str, ArrayRef); 4] = [
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("number", Arc::new(Float64Array::from(vec![1.0, 1e10]))),
        ("text", Arc::new(StringViewArray::from(vec!["say \"hi\"", "ü\n"]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

struct Desk {
    statements: Statements,
    clock: Arc<ManualClock>,
    go_on: Arc<Notify>,
}

const ANA: PrincipalId = PrincipalId(1);
const BEN: PrincipalId = PrincipalId(2);
const INLINE: Wanted = Wanted { format: Format::JsonArray, inline: true, row_limit: None, byte_limit: None };

fn desk(limits: StatementLimits) -> Desk {
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let go_on = Arc::new(Notify::new());
    let runner = ByHand { go_on: Arc::clone(&go_on) };
    let statements = Statements::new(runner, clock.clone(), Arc::new(SeededEntropy::new(1)), limits);
    Desk { statements, clock, go_on }
}

fn session(who: PrincipalId) -> Session {
    let principal = Principal { id: who, kind: PrincipalKind::User, name: "somebody@example.com".into() };
    Session::new(Speaker::Configuration(principal), None, None)
}

impl Desk {
    fn start(&self, statement: &str, wanted: Wanted) -> Submitted {
        let statement = statement.to_owned();
        let submission = Submission { statement, parameters: Vec::new(), session: session(ANA), wanted };
        self.statements.start(submission).unwrap()
    }

    /// Starts a statement that nobody waits for.
    fn submit(&self, statement: &str, wanted: Wanted) -> Arc<str> {
        Arc::clone(self.start(statement, wanted).id())
    }

    async fn run(&self, statement: &str, wanted: Wanted) -> StatementView {
        let id = self.start(statement, wanted).wait(Duration::from_secs(60)).await;
        self.statements.view(&id, ANA).unwrap()
    }

    async fn ended(&self, id: &str) {
        let entry = self.statements.0.kept.get(id).unwrap();
        let _ = entry.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

fn text(view: &StatementView, chunk: usize) -> String {
    String::from_utf8(view.result.as_ref().unwrap().chunks[chunk].body.to_vec()).unwrap()
}

#[tokio::test]
async fn every_value_is_a_string_or_null() {
    let view = desk(StatementLimits::default()).run("values", INLINE).await;
    assert_eq!(view.state, StatementState::Succeeded);
    assert_eq!(text(&view, 0), r#"[["true","1.0","say \"hi\"","[1,null]"],[null,"1.0E10","ü\n",null]]"#);
    let result = view.result.unwrap();
    let columns: Vec<String> = result.columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
    assert_eq!(columns, ["yes boolean", "number double", "text string", "list array<bigint>"]);
    assert_eq!(
        (result.row_count(), result.byte_count(), result.truncated),
        (2, result.chunks[0].body.len(), false)
    );
}

#[tokio::test]
async fn a_limit_cuts_rows_off_and_says_so() {
    let desk = desk(StatementLimits::default());
    for (row_limit, byte_limit, rows, truncated) in [
        (None, None, 10, false),
        (Some(10), None, 10, false),
        (Some(3), None, 3, true),
        (None, Some(16), 2, true),
        (Some(1), Some(1000), 1, true),
    ] {
        let view = desk.run("10", Wanted { row_limit, byte_limit, ..INLINE }).await;
        let result = view.result.unwrap();
        assert_eq!((result.row_count(), result.truncated), (rows, truncated), "{row_limit:?} {byte_limit:?}");
    }
}

#[tokio::test]
async fn a_large_result_comes_in_chunks_that_are_arrow_streams_in_one_lz4_frame() {
    let mut limits = StatementLimits::default();
    limits.sizes.chunk_rows = 4096;
    let desk = desk(limits);
    for lz4 in [false, true] {
        let wanted = Wanted { format: Format::ArrowStream { lz4 }, inline: false, ..INLINE };
        let view = desk.run("10000", wanted).await;
        let chunks = &view.result.as_ref().unwrap().chunks;
        assert_eq!(
            chunks.iter().map(|c| (c.row_offset, c.row_count)).collect::<Vec<_>>(),
            [(0, 4096), (4096, 4096), (8192, 1808)]
        );
        let mut read = 0;
        for chunk in chunks {
            let mut stream = chunk.body.to_vec();
            if lz4 {
                stream.clear();
                std::io::copy(&mut lz4_flex::frame::FrameDecoder::new(&*chunk.body), &mut stream).unwrap();
            }
            for batch in arrow_ipc::reader::StreamReader::try_new(&*stream, None).unwrap() {
                read += batch.unwrap().num_rows();
            }
        }
        assert_eq!(read, 10_000);
    }
}

#[tokio::test]
async fn a_string_column_is_one_arrow_type_however_the_plan_held_it() {
    let desk = desk(StatementLimits::default());
    let wanted = Wanted { format: Format::ArrowStream { lz4: false }, inline: false, ..INLINE };
    let view = desk.run("values", wanted).await;
    let chunk = desk.statements.chunk(&view, 0).unwrap();
    let batch =
        arrow_ipc::reader::StreamReader::try_new(&*chunk.body, None).unwrap().next().unwrap().unwrap();
    assert!(batch.column(2).as_any().is::<StringArray>());
}

#[tokio::test]
async fn a_result_that_is_too_large_for_the_answer_fails_and_says_what_to_do() {
    let mut limits = StatementLimits::default();
    limits.sizes.inline = 1000;
    let desk = desk(limits);
    let failed = desk.run("1000", INLINE).await;
    assert_eq!(failed.state, StatementState::Failed);
    assert!(failed.failure.unwrap().message.contains("disposition=EXTERNAL_LINKS"));
    assert_eq!(desk.run("1000", Wanted { inline: false, ..INLINE }).await.state, StatementState::Succeeded);
}

#[tokio::test]
async fn what_goes_wrong_in_a_statement_is_its_state() {
    let desk = desk(StatementLimits::default());
    let failed = desk.run("fail", INLINE).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failure.code, failure.sql_state.as_str()), ("BAD_REQUEST", "22012"));
    assert_eq!(failure.message, "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012");
    let broken = desk.run("panic", INLINE).await;
    assert_eq!((broken.state, broken.failure.unwrap().code), (StatementState::Failed, "INTERNAL_ERROR"));
}

#[tokio::test]
async fn somebody_elses_statement_is_not_there() {
    let desk = desk(StatementLimits::default());
    let id = desk.run("1", INLINE).await.id;
    let unknown = StatementError::NotFound(id.to_string());
    assert_eq!(desk.statements.view(&id, BEN).unwrap_err(), unknown);
    assert_eq!(desk.statements.cancel(&id, BEN).unwrap_err(), unknown);
    assert_eq!(desk.statements.close(&id, BEN).unwrap_err(), unknown);
    assert_eq!(desk.statements.view(&id, ANA).unwrap().state, StatementState::Succeeded);
}

#[tokio::test]
async fn a_statement_goes_on_when_nobody_waits_and_stops_when_it_is_cancelled() {
    let desk = desk(StatementLimits::default());
    let (left, stopped) = (desk.submit("wait", INLINE), desk.submit("wait", INLINE));
    tokio::task::yield_now().await;
    assert_eq!(desk.statements.view(&left, ANA).unwrap().state, StatementState::Running);
    desk.statements.cancel(&stopped, ANA).unwrap();
    assert_eq!(desk.statements.view(&stopped, ANA).unwrap().state, StatementState::Canceled);
    desk.go_on.notify_waiters();
    desk.go_on.notify_one();
    desk.ended(&left).await;
    assert_eq!(desk.statements.view(&left, ANA).unwrap().state, StatementState::Succeeded);
    desk.statements.cancel(&left, ANA).unwrap();
    assert_eq!(desk.statements.view(&left, ANA).unwrap().state, StatementState::Succeeded);
}

#[tokio::test]
async fn a_result_is_kept_for_an_hour_and_a_status_for_twelve() {
    let desk = desk(StatementLimits::default());
    let id = desk.run("1", INLINE).await.id;
    desk.clock.advance(SignedDuration::from_mins(59));
    assert!(desk.statements.view(&id, ANA).unwrap().result.is_some());
    desk.clock.advance(SignedDuration::from_mins(1));
    let closed = desk.statements.view(&id, ANA).unwrap();
    assert_eq!((closed.state, closed.result.is_some()), (StatementState::Closed, false));
    desk.clock.advance(SignedDuration::from_hours(11));
    assert!(desk.statements.view(&id, ANA).is_err());
}

#[tokio::test]
async fn older_results_make_room_and_their_memory_is_free_again() {
    let mut limits = StatementLimits::default();
    limits.sizes.all = 100_000;
    let desk = desk(limits);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let view = desk.run("2000", Wanted { inline: false, ..INLINE }).await;
        assert_eq!(view.state, StatementState::Succeeded);
        ids.push(view.id);
        desk.clock.advance(SignedDuration::from_secs(1));
        assert!(desk.statements.0.memory.used() <= 100_000);
    }
    assert_eq!(desk.statements.view(&ids[0], ANA).unwrap().state, StatementState::Closed);
    assert_eq!(desk.statements.view(&ids[9], ANA).unwrap().state, StatementState::Succeeded);
    for id in ids {
        desk.statements.close(&id, ANA).unwrap();
    }
    assert_eq!(desk.statements.0.memory.used(), 0);
    let too_large = desk.run("20000", Wanted { inline: false, ..INLINE }).await;
    assert_eq!(too_large.failure.unwrap().code, "RESOURCE_EXHAUSTED");
    assert_eq!(desk.statements.0.memory.used(), 0);
}

#[tokio::test]
async fn only_so_many_statements_run_wait_and_are_kept() {
    let desk = desk(StatementLimits { statements: 3, running: 1, waiting: 1, ..StatementLimits::default() });
    let first = desk.run("1", INLINE).await.id;
    for _ in 0..3 {
        desk.clock.advance(SignedDuration::from_secs(1));
        desk.run("1", INLINE).await;
    }
    assert!(desk.statements.view(&first, ANA).is_err(), "the oldest was forgotten");
    desk.submit("wait", INLINE);
    desk.submit("wait", INLINE);
    let submission = Submission {
        statement: "1".to_owned(),
        parameters: Vec::new(),
        session: session(ANA),
        wanted: INLINE,
    };
    assert!(matches!(desk.statements.start(submission), Err(StatementError::Busy(_))));
}

#[tokio::test(start_paused = true)]
async fn a_statement_outlives_whoever_waited_for_it() {
    let desk = desk(StatementLimits::default());
    let gone = desk.start("wait", INLINE);
    let id = Arc::clone(gone.id());
    assert!(gone.wait(Duration::from_secs(60)).now_or_never().is_none(), "the client hangs up");
    let patient = desk.start("wait", INLINE).wait(Duration::from_secs(60)).await;
    for id in [&id, &patient] {
        assert_eq!(desk.statements.view(id, ANA).unwrap().state, StatementState::Running);
    }
    desk.go_on.notify_waiters();
    for id in [&id, &patient] {
        desk.ended(id).await;
        assert_eq!(desk.statements.view(id, ANA).unwrap().state, StatementState::Succeeded);
    }
}

#[tokio::test]
async fn a_statement_waits_its_turn_and_can_be_cancelled_meanwhile() {
    let desk = desk(StatementLimits { running: 1, ..StatementLimits::default() });
    let [running, stopped, next] = ["wait", "1", "2"].map(|statement| desk.submit(statement, INLINE));
    tokio::task::yield_now().await;
    let state = |id: &str| desk.statements.view(id, ANA).unwrap().state;
    assert_eq!((state(&running), state(&next)), (StatementState::Running, StatementState::Pending));
    desk.statements.cancel(&stopped, ANA).unwrap();
    assert_eq!(state(&stopped), StatementState::Canceled);
    desk.go_on.notify_one();
    desk.ended(&next).await;
    let all = [state(&running), state(&stopped), state(&next)];
    assert_eq!(all, [StatementState::Succeeded, StatementState::Canceled, StatementState::Succeeded]);
}

#[tokio::test]
async fn a_thousand_statements_at_once_all_get_their_answer() {
    let desk = desk(StatementLimits::default());
    let ids: Vec<_> = (0..1000).map(|n| desk.submit(&(n % 7).to_string(), INLINE)).collect();
    for (n, id) in ids.iter().enumerate() {
        desk.ended(id).await;
        let view = desk.statements.view(id, ANA).unwrap();
        assert_eq!(view.result.unwrap().row_count(), n as u64 % 7);
    }
}

#[tokio::test]
async fn a_link_opens_one_chunk_for_a_quarter_of_an_hour() {
    let desk = desk(StatementLimits::default());
    let view = desk.run("1", Wanted { inline: false, ..INLINE }).await;
    let link = desk.statements.link(&view, 0);
    let (chunk, _) = desk.statements.follow(&view.id, 0, &link).unwrap();
    assert_eq!(&*chunk.body, br#"[["0"]]"#);
    let bad = |id: &str, index, link: &ChunkLink| desk.statements.follow(id, index, link).unwrap_err();
    let later = ChunkLink { expires: link.expires + SignedDuration::from_secs(1), ..link.clone() };
    assert_eq!(bad(&view.id, 0, &later), StatementError::BadLink);
    assert_eq!(bad(&view.id, 1, &link), StatementError::BadLink);
    let other = desk.run("1", INLINE).await;
    assert_eq!(bad(&other.id, 0, &link), StatementError::BadLink);
    for signature in ["", "00", "é".repeat(32).as_str(), "z".repeat(64).as_str(), "0".repeat(64).as_str()] {
        let forged = ChunkLink { signature: signature.to_owned(), ..link.clone() };
        assert_eq!(bad(&view.id, 0, &forged), StatementError::BadLink, "{signature}");
    }
    desk.statements.close(&view.id, ANA).unwrap();
    assert!(matches!(bad(&view.id, 0, &link), StatementError::NoResult { .. }));
    desk.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(bad(&view.id, 0, &link), StatementError::BadLink);
}

#[test]
fn a_session_is_its_openers_and_ends_when_nobody_uses_it() {
    let sessions = Sessions::default();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let after = |hours| start + SignedDuration::from_hours(hours);
    assert!(sessions.keep("s".into(), "w", session(ANA), start));
    assert!(sessions.get("s", BEN, "w", start).is_none());
    assert!(sessions.get("s", ANA, "another warehouse", start).is_none());
    assert!(sessions.get("s", ANA, "w", after(7)).is_some());
    assert!(sessions.get("s", ANA, "w", after(14)).is_some());
    assert!(sessions.get("s", ANA, "w", after(22)).is_none());
    assert!(!sessions.end("s", BEN) && sessions.end("s", ANA) && !sessions.end("s", ANA));
}
