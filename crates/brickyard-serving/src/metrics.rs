//! Counters of one served entity, as Prometheus text
//! (`GET /api/2.0/serving-endpoints/{name}/metrics`).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency buckets, in milliseconds.
const BOUNDS: [u64; 10] = [1, 2, 5, 10, 50, 100, 500, 1_000, 10_000, 300_000];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answered: AtomicU64,
    client_errors: AtomicU64,
    server_errors: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
    total_micros: AtomicU64,
}

impl Metrics {
    /// One request ended with `status` after `took`.
    pub fn observe(&self, status: u16, took: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        match status {
            400..500 => _ = self.client_errors.fetch_add(1, Ordering::Relaxed),
            500.. => _ = self.server_errors.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS.iter().position(|bound| millis <= *bound) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.total_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }

    /// Writes the lines of one entity.
    pub fn write(&self, out: &mut String, endpoint: &str, entity: &str) {
        let labels = format!("endpoint_name=\"{endpoint}\",served_entity_name=\"{entity}\"");
        let all = self.answered.load(Ordering::Relaxed);
        for (name, value) in [
            ("request_count_total", all),
            ("request_4xx_count_total", self.client_errors.load(Ordering::Relaxed)),
            ("request_5xx_count_total", self.server_errors.load(Ordering::Relaxed)),
        ] {
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "request_latency_ms_bucket{{{labels},le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(out, "request_latency_ms_bucket{{{labels},le=\"+Inf\"}} {all}");
        let sum = self.total_micros.load(Ordering::Relaxed) as f64 / 1e3;
        let _ = writeln!(out, "request_latency_ms_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "request_latency_ms_count{{{labels}}} {all}");
    }
}
