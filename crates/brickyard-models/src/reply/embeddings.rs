//! A list of embeddings, always as float arrays: clients that ask for base64 accept those too.

use std::borrow::Cow;

use bytes::Bytes;

use super::Envelope;
use crate::embedding::embed;
use crate::json_text::JsonText;

impl Envelope<'_> {
    pub(crate) fn embeddings(&self, inputs: &[Cow<'_, str>], dimensions: u32) -> Bytes {
        let mut json = JsonText::with_capacity(256 + inputs.len() * dimensions as usize * 3);
        json.raw("{\"object\":\"list\",\"data\":[");
        for (index, text) in inputs.iter().enumerate() {
            json.raw(if index == 0 { "" } else { "," });
            json.raw("{\"object\":\"embedding\",\"index\":").number(index).raw(",\"embedding\":[");
            for (at, value) in embed(text, dimensions).into_iter().enumerate() {
                json.raw(if at == 0 { "" } else { "," });
                match value {
                    // Most directions of a short text are empty.
                    0.0 => json.raw("0.0"),
                    value => json.number(value),
                };
            }
            json.raw("]}");
        }
        json.raw("],\"model\":")
            .text(self.model)
            .raw(",\"usage\":{\"prompt_tokens\":")
            .number(self.prompt_tokens);
        json.raw(",\"total_tokens\":").number(self.prompt_tokens).raw("}}").take()
    }
}
