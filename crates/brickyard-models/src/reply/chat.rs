//! `chat.completion` and `chat.completion.chunk`: foundation models, and mlflow's ChatModel.

use bytes::Bytes;

use super::{Envelope, Reply, pieces};
use crate::json_text::JsonText;

impl Envelope<'_> {
    pub(super) fn chat(&self, reply: &Reply<'_>) -> Bytes {
        let mut json = self.chat_start("chat.completion", 512 + reply.text_length());
        json.raw("\"message\":{\"role\":\"assistant\",\"content\":");
        match reply {
            Reply::Text { text, .. } => json.text(text).raw("},\"finish_reason\":\"stop\"}]"),
            Reply::Call { name, arguments } => {
                json.raw("null,\"tool_calls\":[{");
                self.tool_call(&mut json, name, arguments);
                json.raw("}]},\"finish_reason\":\"tool_calls\"}]")
            }
        };
        self.chat_end(json, reply)
    }

    pub(super) fn chat_chunks(&self, reply: &Reply<'_>) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let finish_reason = match reply {
            Reply::Text { text, .. } => {
                for (index, piece) in pieces(text).into_iter().enumerate() {
                    let mut json = self.chat_start("chat.completion.chunk", 256 + piece.len());
                    let role = if index == 0 { "\"role\":\"assistant\"," } else { "" };
                    json.raw("\"delta\":{").raw(role).raw("\"content\":").text(piece);
                    chunks.push(json.raw("},\"finish_reason\":null}]}").take());
                }
                "stop"
            }
            Reply::Call { name, arguments } => {
                let mut json = self.chat_start("chat.completion.chunk", 512);
                json.raw("\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,");
                self.tool_call(&mut json, name, arguments);
                chunks.push(json.raw("}]},\"finish_reason\":null}]}").take());
                "tool_calls"
            }
        };
        let mut last = self.chat_start("chat.completion.chunk", 256);
        last.raw("\"delta\":{},\"finish_reason\":").text(finish_reason).raw("}]");
        chunks.push(self.chat_end(last, reply));
        chunks
    }

    /// The inside of one OpenAI tool call.
    pub(super) fn tool_call(&self, json: &mut JsonText, name: &str, arguments: &str) {
        json.raw("\"id\":").text2("call_", self.request_id);
        json.raw(",\"type\":\"function\",\"function\":{\"name\":").text(name);
        json.raw(",\"arguments\":").text(arguments).raw("}");
    }

    pub(super) fn chat_usage(&self, json: &mut JsonText, reply: &Reply<'_>) {
        let [prompt, completion, total] = self.usage(reply);
        json.raw("{\"prompt_tokens\":").number(prompt).raw(",\"completion_tokens\":").number(completion);
        json.raw(",\"total_tokens\":").number(total).raw("}");
    }

    fn chat_start(&self, object: &str, capacity: usize) -> JsonText {
        let mut json = JsonText::with_capacity(capacity);
        json.raw("{\"id\":").text2("chatcmpl-", self.request_id).raw(",\"object\":\"").raw(object);
        json.raw("\",\"created\":").number(self.created).raw(",\"model\":").text(self.model);
        json.raw(",\"choices\":[{\"index\":0,");
        json
    }

    fn chat_end(&self, mut json: JsonText, reply: &Reply<'_>) -> Bytes {
        json.raw(",\"usage\":");
        self.chat_usage(&mut json, reply);
        if let Some(outputs) = reply.custom_outputs() {
            json.raw(",\"custom_outputs\":").raw(outputs);
        }
        json.raw("}").take()
    }
}
