//! What came back.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// One response, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a readable body");
        Self { status, headers, text }
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header as text, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `x-request-id`.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id")
    }

    /// `error_code` and `message` of an error envelope, in one line for snapshots: without the id of this request, which
    /// some messages end with.
    pub fn refusal(&self) -> String {
        let json = self.json();
        let message = json["message"].as_str().unwrap_or(&self.text);
        let id = format!(" [ReqId: {}]", self.request_id());
        let message = message.strip_suffix(id.as_str()).unwrap_or(message);
        format!("{} {} {message}", self.status, json["error_code"])
    }
}
