//! Server-sent events as they come: the text of each `data:` field, whatever the chunks are.

/// An event larger than this is not one.
const LARGEST: usize = 16 * 1024 * 1024;

/// Cuts a stream of bytes into the lines of its `data:` fields.
#[derive(Default)]
pub(super) struct DataLines {
    rest: Vec<u8>,
}

/// A line without an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl DataLines {
    /// Takes a chunk; answers the fields that it completes.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Vec<String>, TooLong> {
        self.rest.extend_from_slice(chunk);
        let mut fields = Vec::new();
        let Some(last) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return if self.rest.len() > LARGEST { Err(TooLong) } else { Ok(fields) };
        };
        let complete: Vec<u8> = self.rest.drain(..=last).collect();
        for line in complete.split(|byte| *byte == b'\n') {
            fields.extend(field(line));
        }
        Ok(fields)
    }

    /// What stands after the last line break, at the end of the stream.
    pub(super) fn finish(self) -> Option<String> {
        field(&self.rest)
    }
}

fn field(line: &[u8]) -> Option<String> {
    let value = line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(b"data:")?;
    Some(String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_same_wherever_the_stream_is_cut() {
        let stream = "data: {\"a\":\"\u{e4}\"}\n\nevent: x\r\ndata:2\r\n\n: comment\ndata: [DONE]".as_bytes();
        for cut in 0..stream.len() {
            let mut lines = DataLines::default();
            let mut all = lines.push(&stream[..cut]).expect("short");
            all.extend(lines.push(&stream[cut..]).expect("short"));
            all.extend(lines.finish());
            assert_eq!(all, ["{\"a\":\"\u{e4}\"}", "2", "[DONE]"], "cut at {cut}");
        }
    }
}
