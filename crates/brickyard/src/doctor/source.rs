//! Python's text as logical lines: enough of the language to know what is code, what is a string, and what stands
//! under what. No grammar, no evaluation.

/// One logical line: brackets and backslashes join physical ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// The number of its first physical line, from 1.
    pub number: usize,
    /// How far it is indented; a tab goes to the next multiple of eight.
    pub indent: usize,
    /// Without comments, and with the content of every string left out: `f("")`.
    pub code: String,
    /// Without comments.
    pub text: String,
}

/// The logical lines of a source text; those without code are left out.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let mut reader = Reader { rest: source, number: 1, depth: 0, lines: Vec::new(), line: None };
    while reader.step() {}
    reader.flush();
    reader.lines
}

struct Reader<'a> {
    rest: &'a str,
    number: usize,
    depth: usize,
    lines: Vec<Line>,
    line: Option<Line>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.number += taken.matches('\n').count();
        taken
    }

    fn line(&mut self) -> &mut Line {
        let number = self.number;
        self.line.get_or_insert_with(|| Line { number, indent: 0, code: String::new(), text: String::new() })
    }

    fn push(&mut self, code: &str, text: &str) {
        let line = self.line();
        line.code.push_str(code);
        line.text.push_str(text);
    }

    fn flush(&mut self) {
        if let Some(line) = self.line.take().filter(|line| !line.code.trim().is_empty()) {
            let (code, text) = (line.code.trim().to_owned(), line.text.trim().to_owned());
            self.lines.push(Line { code, text, ..line });
        }
    }

    fn step(&mut self) -> bool {
        if self.line.is_none() {
            let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\u{c}']).len();
            let indent = self.rest[..blank]
                .chars()
                .fold(0, |column, c| if c == '\t' { column / 8 * 8 + 8 } else { column + 1 });
            self.take(blank);
            self.line().indent = indent;
        }
        let Some(c) = self.rest.chars().next() else { return false };
        match c {
            '#' => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end);
            }
            '\n' => {
                self.take(1);
                if self.depth == 0 { self.flush() } else { self.push(" ", " ") }
            }
            '\\' if self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n") => {
                let end = self.rest.find('\n').unwrap_or(0);
                self.take(end + 1);
                self.push(" ", " ");
            }
            '"' | '\'' => {
                let literal = self.literal();
                self.push("\"\"", literal);
            }
            _ => {
                match c {
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                let taken = self.take(c.len_utf8());
                self.push(taken, taken);
            }
        }
        true
    }

    /// A whole string literal, with its quotes. One that is not closed ends with its line, or with the text.
    fn literal(&mut self) -> &'a str {
        // The line of a literal that begins it is the line it begins on.
        self.line();
        let quote = &self.rest[..1];
        let triple = [quote; 3].concat();
        let (mark, long) =
            if self.rest.starts_with(&triple) { (triple.as_str(), true) } else { (quote, false) };
        let mut end = mark.len();
        loop {
            let rest = &self.rest[end..];
            let Some(c) = rest.chars().next() else { break };
            if rest.starts_with(mark) {
                end += mark.len();
                break;
            }
            if c == '\n' && !long {
                break;
            }
            end += c.len_utf8();
            if c == '\\' {
                end += self.rest[end..].chars().next().map_or(0, char::len_utf8);
            }
        }
        self.take(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_comments_and_strings() {
        let source = "\"\"\"Module.\nWorkspaceClient()\n\"\"\"\nx = f(  # note ( \n    'a \\' b', \"#\",\n)\nif x:\n\ty = r'z'  \\\n      + 'w'\n    # WorkspaceClient()\n";
        let found: Vec<(usize, usize, String)> =
            lines(source).into_iter().map(|line| (line.number, line.indent, line.code)).collect();
        let words = |text: &str| text.split_whitespace().collect::<String>();
        let found: Vec<_> =
            found.into_iter().map(|(number, indent, code)| (number, indent, words(&code))).collect();
        assert_eq!(
            found,
            [
                (1, 0, "\"\"".to_owned()),
                (4, 0, "x=f(\"\",\"\",)".to_owned()),
                (7, 0, "ifx:".to_owned()),
                (8, 8, "y=r\"\"+\"\"".to_owned()),
            ]
        );
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for odd in [
            "",
            "'",
            "\"\"\"",
            "((((",
            "))))",
            "\\",
            "\\\n",
            "'\\",
            "\u{feff}x",
            "é = 'ü\\é'",
            "\t\t#",
            "'''\\'''",
        ] {
            let _ = lines(odd);
        }
        assert_eq!(lines("a = '''b\nc'''; d\ne")[1].number, 3);
    }
}
