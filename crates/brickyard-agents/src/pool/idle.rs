//! When workers that nobody needs end: how many were idle all through a while, and whether anybody asked at all.

use brickyard_types::Timestamp;

use super::WorkerSpec;

/// What is known since the last look.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// So many workers were idle at every moment since `since`.
    least: usize,
    since: Option<Timestamp>,
    /// Somebody asked since the last look.
    asked: bool,
    /// Nobody has asked since.
    quiet_since: Option<Timestamp>,
}

/// A pool at the moment of a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub now: Timestamp,
    pub idle: usize,
    pub ready: usize,
    /// A request runs or waits, or a worker is being started.
    pub busy: bool,
}

impl Idle {
    /// A request came, and left so many workers idle.
    pub fn asked(&mut self, idle: usize) {
        self.least = self.least.min(idle);
        self.asked = true;
    }

    /// How many of the idle workers may end now. Those that were not needed for `shrink_after` are above what is
    /// needed; after `sleep_after` without any request, none is.
    pub fn spare(&mut self, look: Look, spec: &WorkerSpec) -> usize {
        let Look { now, idle, ready, busy } = look;
        let asked = std::mem::take(&mut self.asked) || busy;
        let quiet_since = self.quiet_since.filter(|since| !asked && *since <= now).unwrap_or(now);
        self.quiet_since = Some(quiet_since);
        if spec.sleep_after.is_some_and(|after| now.duration_since(quiet_since) >= after) {
            return idle;
        }
        // At the first look, and after a clock that was set back, a new while begins.
        let since = match self.since {
            Some(since) if since <= now => since,
            _ => {
                (self.since, self.least) = (Some(now), idle);
                return 0;
            }
        };
        if now.duration_since(since) < spec.shrink_after {
            return 0;
        }
        let spare = self.least.min(idle).min(ready.saturating_sub(spec.initial_workers.max(1)));
        (self.since, self.least) = (Some(now), idle - spare);
        spare
    }
}

#[cfg(test)]
mod tests {
    use brickyard_types::SignedDuration;

    use super::*;

    #[test]
    fn workers_end_that_were_not_needed_for_a_while_and_all_when_nobody_asks() {
        let spec = WorkerSpec {
            shrink_after: SignedDuration::from_mins(5),
            sleep_after: Some(SignedDuration::from_mins(30)),
            ..WorkerSpec::new("entity", "endpoint")
        };
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let look = |minutes, idle, ready| Look { now: at(minutes), idle, ready, busy: false };
        let mut idle = Idle::default();
        assert_eq!(idle.spare(look(0, 4, 4), &spec), 0, "the first look knows nothing");
        idle.asked(3);
        idle.asked(2);
        assert_eq!(idle.spare(look(4, 4, 4), &spec), 0, "not yet");
        assert_eq!(idle.spare(look(5, 4, 4), &spec), 2, "two were never needed");
        assert_eq!(idle.spare(look(10, 2, 2), &spec), 1, "the last one stays");
        assert_eq!(idle.spare(look(33, 1, 1), &spec), 0);
        assert_eq!(idle.spare(look(34, 1, 1), &spec), 1, "half an hour after the last request");
        // Who is busy is not idle, and a clock that is set back begins anew.
        assert_eq!(idle.spare(Look { busy: true, ..look(70, 0, 1) }, &spec), 0);
        assert_eq!(idle.spare(look(20, 2, 2), &spec), 0);
        let awake = WorkerSpec { sleep_after: None, ..spec };
        assert_eq!(idle.spare(look(90, 1, 1), &awake), 0, "one is always there unless it may sleep");
    }
}
