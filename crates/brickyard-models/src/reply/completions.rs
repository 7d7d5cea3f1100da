//! `text_completion`: foundation models that continue a prompt.

use bytes::Bytes;

use super::{Envelope, Reply, pieces};
use crate::json_text::JsonText;

impl Envelope<'_> {
    pub(super) fn completion(&self, reply: &Reply<'_>) -> Bytes {
        let mut json = self.completion_start(said(reply));
        json.raw(",\"finish_reason\":\"stop\"}],\"usage\":");
        self.chat_usage(&mut json, reply);
        json.raw("}").take()
    }

    pub(super) fn completion_chunks(&self, reply: &Reply<'_>) -> Vec<Bytes> {
        let pieces = pieces(said(reply)).into_iter();
        let mut chunks: Vec<_> = pieces
            .map(|piece| self.completion_start(piece).raw(",\"finish_reason\":null}]}").take())
            .collect();
        let mut last = self.completion_start("");
        last.raw(",\"finish_reason\":\"stop\"}],\"usage\":");
        self.chat_usage(&mut last, reply);
        chunks.push(last.raw("}").take());
        chunks
    }

    fn completion_start(&self, text: &str) -> JsonText {
        let mut json = JsonText::with_capacity(256 + text.len());
        json.raw("{\"id\":")
            .text2("cmpl-", self.request_id)
            .raw(",\"object\":\"text_completion\",\"created\":");
        json.number(self.created).raw(",\"model\":").text(self.model);
        json.raw(",\"choices\":[{\"index\":0,\"text\":").text(text).raw(",\"logprobs\":null");
        json
    }
}

/// A configuration with a tool call for completions does not compile.
fn said<'r>(reply: &'r Reply<'_>) -> &'r str {
    match reply {
        Reply::Text { text, .. } => text,
        Reply::Call { arguments, .. } => arguments,
    }
}
