//! Scale to zero: an agent that nobody calls has no process, and the next call starts one.

use std::sync::Arc;

use brickyard_testkit::Kit;
use brickyard_types::{Clock, ManualClock, SignedDuration, SystemClock};

use super::CAROL;
use crate::agents::{Logged, python};

const AGENT: &str = "
from mlflow.models import set_model
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse

class Awake(ResponsesAgent):
    def predict(self, request):
        return ResponsesAgentResponse(output=[self.create_text_output_item(text='awake', id='1')])

set_model(Awake())
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_may_scale_to_zero_sleeps_when_nobody_calls_and_the_next_call_wakes_it() {
    let Some(python) = python() else { return };
    let models = Logged::new();
    models.responses_agent("agent", AGENT, "");
    let folder = models.path().display();
    let yaml = format!(
        "workspace: {{admins: [admin@example.com]}}\nusers: [{{user_name: carol@example.com}}]\n\
         registered_models: [{{name: main.agents.one, versions: [{{version: \"1\", source: {folder}/agent}}]}}]\n\
         serving_endpoints:\n  \
         - {{name: sleeps, creator: carol@example.com, config: {{served_entities: [{{entity_name: main.agents.one, entity_version: \"1\", scale_to_zero_enabled: true}}]}}}}\n  \
         - {{name: stays, creator: carol@example.com, config: {{served_entities: [{{entity_name: main.agents.one, entity_version: \"1\"}}]}}}}\n"
    );
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let kit = Kit::builder(&yaml).python(python).clock(Arc::clone(&clock)).start().await;
    let processes = |kit: &Kit| kit.workspace.serving.worker_processes().len();
    assert_eq!(processes(&kit), 2);
    kit.until("one sleeps", async |kit| {
        clock.advance(SignedDuration::from_mins(31));
        processes(kit) == 1
    })
    .await;
    for endpoint in ["sleeps", "stays"] {
        let (reply, answer) = kit.ask(endpoint, &kit.token(CAROL), "hello").await;
        assert_eq!((reply.status, answer.as_str()), (200, "awake"), "{endpoint}: {}", reply.text);
    }
    assert_eq!(processes(&kit), 2);
    kit.stop().await;
}
