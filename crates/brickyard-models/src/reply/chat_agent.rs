//! mlflow's ChatAgent: messages with ids, and chunks whose deltas share the id of their message.

use bytes::Bytes;

use super::{Envelope, Reply, pieces};
use crate::json_text::JsonText;

impl Envelope<'_> {
    pub(super) fn chat_agent(&self, reply: &Reply<'_>) -> Bytes {
        let mut json = JsonText::with_capacity(384 + reply.text_length());
        json.raw("{\"messages\":[");
        match reply {
            Reply::Text { text, .. } => self.agent_message(&mut json, text),
            Reply::Call { name, arguments } => self.agent_call(&mut json, name, arguments),
        }
        json.raw("]");
        self.chat_agent_end(json, reply)
    }

    pub(super) fn chat_agent_chunks(&self, reply: &Reply<'_>) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let mut last = JsonText::with_capacity(384);
        last.raw("{\"delta\":");
        match reply {
            Reply::Text { text, .. } => {
                // mlflow refuses a delta without content, so the last piece also carries the finish.
                let mut pieces = pieces(text);
                let end = pieces.pop().unwrap_or_default();
                for piece in pieces {
                    let mut json = JsonText::with_capacity(160 + piece.len());
                    json.raw("{\"delta\":");
                    self.agent_message(&mut json, piece);
                    chunks.push(json.raw("}").take());
                }
                self.agent_message(&mut last, end);
            }
            Reply::Call { name, arguments } => self.agent_call(&mut last, name, arguments),
        }
        chunks.push(self.chat_agent_end(last, reply));
        chunks
    }

    fn agent_message(&self, json: &mut JsonText, text: &str) {
        json.raw("{\"role\":\"assistant\",\"content\":").text(text);
        json.raw(",\"id\":").text2("msg_", self.request_id).raw("}");
    }

    fn agent_call(&self, json: &mut JsonText, name: &str, arguments: &str) {
        json.raw("{\"role\":\"assistant\",\"content\":\"\",\"id\":").text2("msg_", self.request_id);
        json.raw(",\"tool_calls\":[{");
        self.tool_call(json, name, arguments);
        json.raw("}]}");
    }

    fn chat_agent_end(&self, mut json: JsonText, reply: &Reply<'_>) -> Bytes {
        let finish_reason = match reply {
            Reply::Text { .. } => "stop",
            Reply::Call { .. } => "tool_calls",
        };
        json.raw(",\"finish_reason\":").text(finish_reason).raw(",\"usage\":");
        self.chat_usage(&mut json, reply);
        if let Some(outputs) = reply.custom_outputs() {
            json.raw(",\"custom_outputs\":").raw(outputs);
        }
        json.raw("}").take()
    }
}
