//! The serde side of reading a body: what is borrowed, what is skipped, which shapes are refused.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Request;
use crate::config::Task;

/// More top-level keys than any API has; it bounds the search for a duplicate.
const MAX_KEYS: usize = 256;

/// A string, borrowed from the body unless it had escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        json.deserialize_str(Borrow).map(Text)
    }
}

/// A body as read, before its keys were looked over for duplicates.
pub(super) struct Read<'a> {
    pub(super) request: Request<'a>,
    keys: Vec<Text<'a>>,
}

impl Read<'_> {
    /// A key that stands more than once, if any.
    pub(super) fn duplicate(&mut self) -> Option<&str> {
        self.keys.sort_unstable();
        self.keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| &*pair[0].0)
    }
}

/// Reads a body for a task: the task decides which key holds the text.
pub(super) struct Seed(pub(super) Task);

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Read<'de>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Read<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Read<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let mut read = Read { request: Request::default(), keys: Vec::with_capacity(8) };
        let (mut said, mut tools) = (None, None);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match (self.0, &*key.0) {
                (Task::LlmChat | Task::AgentChat | Task::ChatModel, "messages") => {
                    said = Some(map.next_value_seed(Conversation { items: false })?);
                }
                (Task::AgentResponses, "input") => {
                    said = Some(map.next_value_seed(Conversation { items: true })?);
                }
                (Task::LlmCompletions, "prompt") => {
                    let mut texts = map.next_value_seed(Texts)?;
                    let prompt = texts.pop().filter(|_| texts.is_empty());
                    let prompt = prompt.ok_or_else(|| A::Error::custom("one prompt is needed"))?;
                    let text_length = prompt.chars().count();
                    said = Some(Request { user: Some(prompt), text_length, ..Request::default() });
                }
                (Task::LlmEmbeddings, "input") => {
                    let inputs = map.next_value_seed(Texts)?;
                    let text_length = inputs.iter().map(|text| text.chars().count()).sum();
                    said = Some(Request { inputs, text_length, ..Request::default() });
                }
                (_, "tools") => tools = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if read.keys.len() == MAX_KEYS {
                return Err(A::Error::custom("too many keys"));
            }
            read.keys.push(key);
        }
        read.request = said.ok_or_else(|| A::Error::custom("what was said is missing"))?;
        read.request.tools = tools;
        Ok(read)
    }
}

/// A text, or a list of texts.
struct Texts;

impl<'de> DeserializeSeed<'de> for Texts {
    type Value = Vec<Cow<'de, str>>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<Cow<'de, str>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Borrowed(text)])
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![Cow::Owned(text.to_owned())])
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<Text<'de>>()? {
            texts.push(text.0);
        }
        Ok(texts)
    }
}

/// A list of messages (`items: false`) or of the responses API's items, of which only the last ones are kept.
#[derive(Clone, Copy)]
struct Conversation {
    items: bool,
}

impl<'de> DeserializeSeed<'de> for Conversation {
    type Value = Request<'de>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Conversation {
    type Value = Request<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut request = Request::default();
        while let Some(message) = list.next_element::<Message<'de>>()? {
            request.text_length +=
                message.content.iter().chain(&message.output).map(|t| t.chars().count()).sum::<usize>();
            request.tool = None;
            let kind = message.kind.as_deref().filter(|_| self.items).unwrap_or("message");
            match (kind, message.role.as_deref()) {
                ("function_call_output", _) => request.tool = Some(message.output.unwrap_or_default()),
                ("message", None) => return Err(A::Error::custom("a message needs a role")),
                ("message", Some(_)) if self.items && message.content.is_none() => {
                    return Err(A::Error::custom("a message needs a content"));
                }
                ("message", Some("user")) => request.user = Some(message.content.unwrap_or_default()),
                ("message", Some("tool")) => request.tool = Some(message.content.unwrap_or_default()),
                _ => {}
            }
        }
        Ok(request)
    }
}

/// One message or item. Read by hand, because a derived reader would also take a list for an object.
#[derive(Default)]
struct Message<'a> {
    kind: Option<Cow<'a, str>>,
    role: Option<Cow<'a, str>>,
    content: Option<Cow<'a, str>>,
    output: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Message<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
                let mut message = Message::default();
                let mut seen = [false; 4];
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let index = match &*key.0 {
                        "type" => 0,
                        "role" => 1,
                        "content" => 2,
                        "output" => 3,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if std::mem::replace(&mut seen[index], true) {
                        return Err(A::Error::custom("a key is given more than once"));
                    }
                    match index {
                        0 => message.kind = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                        1 => message.role = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
                        2 => message.content = map.next_value_seed(Content)?,
                        _ => message.output = map.next_value_seed(Content)?,
                    }
                }
                Ok(message)
            }
        }
        json.deserialize_map(Fields)
    }
}

/// What a message says: a text, a list of parts of which the text parts count, or nothing.
struct Content;

impl<'de> DeserializeSeed<'de> for Content {
    type Value = Option<Cow<'de, str>>;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content {
    type Value = Option<Cow<'de, str>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of parts")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut whole: Option<Cow<'de, str>> = None;
        while let Some(part) = list.next_element::<Part<'de>>()? {
            whole = match (whole, part.0) {
                (whole, None) => whole,
                (None, text) => text,
                (Some(mut whole), Some(text)) => {
                    let joined = whole.to_mut();
                    joined.push('\n');
                    joined.push_str(&text);
                    Some(whole)
                }
            };
        }
        Ok(Some(whole.unwrap_or_default()))
    }
}

/// The text of one part of a content; pictures and the like have none.
struct Part<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Part<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of a content")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part<'de>, A::Error> {
                let (mut kind, mut text) = (None, None);
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match &*key.0 {
                        "type" if kind.is_none() => kind = Some(map.next_value::<Text<'de>>()?.0),
                        "text" if text.is_none() => text = Some(map.next_value::<&'de RawValue>()?),
                        "type" | "text" => return Err(A::Error::custom("a key is given more than once")),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                match kind.as_deref() {
                    None => Err(A::Error::custom("a part needs a type")),
                    Some("text" | "input_text" | "output_text") => {
                        let text = text.map(|text| serde_json::from_str::<Text<'de>>(text.get()));
                        match text {
                            Some(Ok(text)) => Ok(Part(Some(text.0))),
                            _ => Err(A::Error::custom("a text part needs a text")),
                        }
                    }
                    Some(_) => Ok(Part(None)),
                }
            }
        }
        json.deserialize_map(Fields)
    }
}
