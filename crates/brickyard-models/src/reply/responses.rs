//! The responses API as mlflow's ResponsesAgent speaks it: items, and events that end with the finished item.

use bytes::Bytes;

use super::{Envelope, Reply, pieces};
use crate::json_text::JsonText;

impl Envelope<'_> {
    pub(super) fn response(&self, reply: &Reply<'_>) -> Bytes {
        let mut json = JsonText::with_capacity(640 + reply.text_length());
        json.raw("{\"object\":\"response\",\"id\":").text2("resp_", self.request_id);
        json.raw(",\"created_at\":").number(self.created).raw(",\"model\":").text(self.model);
        json.raw(",\"status\":\"completed\",\"output\":[");
        self.item(&mut json, reply);
        let [input, output, total] = self.usage(reply);
        json.raw("],\"usage\":{\"input_tokens\":").number(input);
        json.raw(",\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":").number(output);
        json.raw(",\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":")
            .number(total)
            .raw("}");
        if let Some(outputs) = reply.custom_outputs() {
            json.raw(",\"custom_outputs\":").raw(outputs);
        }
        json.raw("}").take()
    }

    pub(super) fn response_events(&self, reply: &Reply<'_>) -> Vec<Bytes> {
        let mut events = Vec::new();
        if let Reply::Text { text, .. } = reply {
            for piece in pieces(text) {
                let mut json = JsonText::with_capacity(160 + piece.len());
                json.raw("{\"type\":\"response.output_text.delta\",\"item_id\":")
                    .text2("msg_", self.request_id);
                events.push(json.raw(",\"delta\":").text(piece).raw("}").take());
            }
        }
        let mut done = JsonText::with_capacity(320 + reply.text_length());
        done.raw("{\"type\":\"response.output_item.done\",\"item\":");
        self.item(&mut done, reply);
        if let Some(outputs) = reply.custom_outputs() {
            done.raw(",\"custom_outputs\":").raw(outputs);
        }
        events.push(done.raw("}").take());
        events
    }

    fn item(&self, json: &mut JsonText, reply: &Reply<'_>) {
        match reply {
            Reply::Text { text, .. } => {
                json.raw("{\"type\":\"message\",\"id\":").text2("msg_", self.request_id);
                json.raw(",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":");
                json.text(text).raw(",\"annotations\":[]}]}");
            }
            Reply::Call { name, arguments } => {
                json.raw("{\"type\":\"function_call\",\"id\":").text2("fc_", self.request_id);
                json.raw(",\"call_id\":").text2("call_", self.request_id).raw(",\"name\":").text(name);
                json.raw(",\"arguments\":").text(arguments).raw(",\"status\":\"completed\"}");
            }
        }
    }
}
