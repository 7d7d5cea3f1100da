//! Text to tokens, by Spark's lexical rules, as tokens of `sqlparser`.
//!
//! `sqlparser` has a tokenizer, which is not used: it knows neither raw strings nor literals such as `5L` in this
//! dialect, it undoes other escapes than Spark does, and it does not say at which byte a token is. White space and
//! comments are left out. One statement at a time, so that a script of any length needs the room of its longest
//! statement.
//!
//! Source of the rules: Databricks' SQL language manual ("Identifiers", "STRING type", "Numeric literals",
//! "Comments") and the lexer grammar of Apache Spark.

use datafusion::sql::sqlparser::ast::DollarQuotedString;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::string_literal;
use super::syntax_error::{ErrorClass, SyntaxError};

/// Most tokens in one statement. A statement of 16 MiB stays below unless it is made of single digits;
/// a token and its node in the tree take about 500 bytes.
const MOST_TOKENS: usize = 2_000_000;

/// The digits of a time behind `name@`.
const SHORT_TIME: usize = 17;

/// The bytes of one token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub start: u32,
    pub end: u32,
}

/// The tokens of one statement, and where each of them is.
#[derive(Default, Debug)]
pub(super) struct Tokens {
    pub tokens: Vec<TokenWithSpan>,
    pub places: Vec<Place>,
}

/// Reads tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
    most_tokens: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, SyntaxError> {
        if u32::try_from(text.len()).is_err() {
            return Err(SyntaxError::at(
                ErrorClass::TooComplex,
                "The text is longer than 4 GiB",
                text,
                0,
                "",
            ));
        }
        Ok(Self { text, at: 0, line: 1, column: 1, most_tokens: MOST_TOKENS })
    }

    #[cfg(test)]
    pub(super) fn at_most(self, most_tokens: usize) -> Self {
        Self { most_tokens, ..self }
    }

    /// The next statement up to `;`, and whether there was a `;`. `None` at the end of the text.
    pub(super) fn statement(&mut self) -> Result<Option<(Tokens, bool)>, SyntaxError> {
        let mut found = Tokens::default();
        loop {
            self.skip_space()?;
            let Some(first) = self.peek() else {
                return Ok((!found.tokens.is_empty()).then_some((found, false)));
            };
            if first == ';' {
                self.bump();
                return Ok(Some((found, true)));
            }
            if found.tokens.len() >= self.most_tokens {
                let message = format!(
                    "The statement has more than {} words. Write it as several statements",
                    self.most_tokens
                );
                return Err(SyntaxError::at(ErrorClass::TooComplex, message, self.text, self.at, ""));
            }
            self.token(first, &mut found)?;
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        if let Some(read) = self.peek() {
            self.at += read.len_utf8();
            if read == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
    }

    fn bump_to(&mut self, end: usize) {
        while self.at < end {
            self.bump();
        }
    }

    fn location(&self) -> Location {
        Location::new(self.line, self.column)
    }

    fn wrong(&self, start: usize, end: usize) -> SyntaxError {
        SyntaxError::near(self.text, start, self.text.get(start..end).unwrap_or_default(), None)
    }

    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(()) };
            if first.is_whitespace() {
                self.bump();
            } else if rest.starts_with("--") {
                self.skip_line();
            } else if rest.starts_with("/*") {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// `-- ..` to the end of the line; a backslash at its end takes the next line with it.
    fn skip_line(&mut self) {
        let mut last = ' ';
        while let Some(read) = self.peek() {
            self.bump();
            if read == '\n' && last != '\\' {
                return;
            }
            last = read;
        }
    }

    /// `/* .. */`, which may hold others.
    fn skip_comment(&mut self) -> Result<(), SyntaxError> {
        let (text, start) = (self.text, self.at);
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                let message =
                    "Found an unclosed bracketed comment. Please, append */ at the end of the comment";
                return Err(SyntaxError::at(ErrorClass::Comment, message, text, start, "/*"));
            }
            if rest.starts_with("/*") {
                depth += 1;
                self.bump();
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.bump();
                if depth == 0 {
                    self.bump();
                    return Ok(());
                }
            }
            self.bump();
        }
    }

    fn token(&mut self, first: char, found: &mut Tokens) -> Result<(), SyntaxError> {
        let (start, from) = (self.at, self.location());
        let rest = self.rest();
        let second = rest[first.len_utf8()..].chars().next();
        let token = match first {
            '\'' | '"' => self.string(first)?,
            'r' | 'R' if matches!(second, Some('\'' | '"')) => self.raw_string()?,
            'x' | 'X' if second == Some('\'') => self.hexadecimal()?,
            '`' => self.backticks()?,
            '$' => self.dollars()?,
            '0'..='9' => return self.number(found),
            '.' if second.is_some_and(|digit| digit.is_ascii_digit()) => return self.number(found),
            first if is_word(first) => {
                let word = self.word(rest)?;
                if let Some(version) = word.strip_prefix(['v', 'V']).filter(|rest| is_digits(rest))
                    && self.behind_at(found, start)
                {
                    let number = Token::Number(version.to_owned(), false);
                    self.as_of(found, "VERSION", number, start, from);
                    return Ok(());
                }
                Token::make_word(word, None)
            }
            '?' => {
                let message = "The feature is not supported: positional parameter markers (?). \
                               Name the marker, such as :id, and pass the parameter by that name";
                return Err(SyntaxError::at(ErrorClass::Unsupported, message, self.text, start, "?"));
            }
            _ => {
                let (token, length) =
                    symbol(rest).ok_or_else(|| self.wrong(start, start + first.len_utf8()))?;
                self.bump_to(start + length);
                token
            }
        };
        self.push(found, token, start, from);
        Ok(())
    }

    fn push(&self, found: &mut Tokens, token: Token, start: usize, from: Location) {
        found.tokens.push(TokenWithSpan::new(token, Span::new(from, self.location())));
        // `new` checked that the text is shorter than 4 GiB.
        found.places.push(Place { start: start as u32, end: self.at as u32 });
    }

    fn word(&mut self, rest: &'a str) -> Result<&'a str, SyntaxError> {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, start) = (&rest[..end], self.at);
        if !word.is_ascii() {
            let message = format!(
                "The unquoted identifier {word} is invalid and must be back quoted as: `{word}`. Unquoted identifiers can \
                 only contain ASCII letters ('a' - 'z', 'A' - 'Z'), digits ('0' - '9'), and underbar ('_')"
            );
            return Err(SyntaxError::at(ErrorClass::Identifier, message, self.text, start, word));
        }
        self.bump_to(start + end);
        Ok(word)
    }

    fn string(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let start = self.at;
        let length =
            string_literal::length(self.rest(), quote).ok_or_else(|| self.wrong(start, start + 1))?;
        let value = string_literal::value(&self.rest()[1..length - 1], quote);
        self.bump_to(start + length);
        // Both quotes mean the same, and `DoubleQuotedString` is a name to some.
        Ok(Token::SingleQuotedString(value))
    }

    /// `r'..'`: no escapes, so no way to write the quote.
    fn raw_string(&mut self) -> Result<Token, SyntaxError> {
        let (start, rest) = (self.at, self.rest());
        let quote = &rest[1..2];
        let length = rest[2..].find(quote).ok_or_else(|| self.wrong(start, start + 2))?;
        let value = rest[2..2 + length].to_owned();
        self.bump_to(start + length + 3);
        Ok(Token::SingleQuotedString(value))
    }

    fn hexadecimal(&mut self) -> Result<Token, SyntaxError> {
        let (start, rest) = (self.at, self.rest());
        let length = rest[2..].find('\'').ok_or_else(|| self.wrong(start, start + 2))?;
        let digits = &rest[2..2 + length];
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.wrong(start, start + length + 3));
        }
        // An odd number of digits starts with a zero in Spark.
        let zero = if length % 2 == 1 { "0" } else { "" };
        self.bump_to(start + length + 3);
        Ok(Token::HexStringLiteral(format!("{zero}{digits}")))
    }

    fn backticks(&mut self) -> Result<Token, SyntaxError> {
        let (start, rest) = (self.at, self.rest());
        let mut end = 1;
        loop {
            end += rest[end..].find('`').ok_or_else(|| self.wrong(start, start + 1))? + 1;
            if !rest[end..].starts_with('`') {
                break;
            }
            end += 1;
        }
        let name = rest[1..end - 1].replace("``", "`");
        if name.is_empty() {
            return Err(self.wrong(start, start + end));
        }
        self.bump_to(start + end);
        Ok(Token::make_word(&name, Some('`')))
    }

    /// `$$ .. $$` and `$tag$ .. $tag$`.
    fn dollars(&mut self) -> Result<Token, SyntaxError> {
        let (start, rest) = (self.at, self.rest());
        let open = rest[1..].find('$').map(|end| &rest[..end + 2]);
        let open = open
            .filter(|open| open[1..open.len() - 1].chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        let open = open.ok_or_else(|| self.wrong(start, start + 1))?;
        let length = rest[open.len()..].find(open).ok_or_else(|| self.wrong(start, start + open.len()))?;
        let tag = &open[1..open.len() - 1];
        let value = rest[open.len()..open.len() + length].to_owned();
        let tag = (!tag.is_empty()).then(|| tag.to_owned());
        self.bump_to(start + length + 2 * open.len());
        Ok(Token::DollarQuotedString(DollarQuotedString { value, tag }))
    }

    /// True behind `name@`, without a space.
    fn behind_at(&self, found: &Tokens, start: usize) -> bool {
        let ([.., name, at], [.., before, place]) = (&*found.tokens, &*found.places) else { return false };
        matches!((&name.token, &at.token), (Token::Word(_), Token::AtSign))
            && before.end == place.start
            && place.end as usize == start
    }

    /// `t@v1` and `t@20240131000000000` are short for `t VERSION AS OF 1` and `t TIMESTAMP AS OF '2024-01-31 ..'`.
    fn as_of(&self, found: &mut Tokens, what: &str, at: Token, start: usize, from: Location) {
        found.tokens.pop();
        found.places.pop();
        for word in [what, "AS", "OF"] {
            self.push(found, Token::make_keyword(word), start, from);
        }
        self.push(found, at, start, from);
    }

    /// A number with its suffix, or a name that starts with a digit (`2fa`).
    fn number(&mut self, found: &mut Tokens) -> Result<(), SyntaxError> {
        let (start, from, rest) = (self.at, self.location(), self.rest());
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(0);
        let mut whole = true;
        if rest[end..].starts_with('.') {
            whole = false;
            end += 1 + digits(end + 1);
        }
        let exponent = rest[end..].starts_with(['e', 'E']).then(|| {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            (1 + sign, digits(end + 1 + sign))
        });
        let mut scientific = false;
        if let Some((skipped, count @ 1..)) = exponent {
            end += skipped + count;
            scientific = true;
        }
        let number = &rest[..end];
        if number.len() == SHORT_TIME
            && self.behind_at(found, start)
            && let Some(time) = short_time(number)
        {
            self.bump_to(start + end);
            self.as_of(found, "TIMESTAMP", Token::SingleQuotedString(time), start, from);
            return Ok(());
        }
        let tail = &rest[end..end + rest[end..].find(|c: char| !is_word(c)).unwrap_or(rest.len() - end)];
        let suffix = match tail.to_ascii_uppercase().as_str() {
            "" => None,
            "L" if whole && !scientific => Some("BIGINT".to_owned()),
            "S" if whole && !scientific => Some("SMALLINT".to_owned()),
            "Y" if whole && !scientific => Some("TINYINT".to_owned()),
            "F" => Some("FLOAT".to_owned()),
            "D" => Some("DOUBLE".to_owned()),
            "BD" => {
                let type_text = decimal(number).filter(|_| !scientific);
                Some(type_text.ok_or_else(|| self.wrong(start, start + end + tail.len()))?)
            }
            _ if rest[..end].bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let word = self.word(rest)?;
                self.push(found, Token::make_word(word, None), start, from);
                return Ok(());
            }
            _ => return Err(self.wrong(start, start + end + tail.len())),
        };
        self.bump_to(start + end + tail.len());
        let plain = Token::Number(number.to_owned(), suffix.as_deref() == Some("BIGINT"));
        match suffix {
            None => self.push(found, plain, start, from),
            Some(suffix) if suffix == "BIGINT" => self.push(found, plain, start, from),
            // `sqlparser` has no such literals; what they mean is a cast.
            Some(suffix) => {
                let mut words =
                    vec![Token::make_keyword("CAST"), Token::LParen, plain, Token::make_keyword("AS")];
                match suffix.strip_prefix("DECIMAL ") {
                    None => words.push(Token::make_keyword(&suffix)),
                    Some(sizes) => {
                        let (precision, scale) = sizes.split_once(' ').unwrap_or((sizes, "0"));
                        let number = |digits: &str| Token::Number(digits.to_owned(), false);
                        words.extend([Token::make_keyword("DECIMAL"), Token::LParen, number(precision)]);
                        words.extend([Token::Comma, number(scale), Token::RParen]);
                    }
                }
                words.push(Token::RParen);
                words.into_iter().for_each(|word| self.push(found, word, start, from));
            }
        }
        Ok(())
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `yyyyMMddHHmmssSSS` as it is written in full.
fn short_time(digits: &str) -> Option<String> {
    if !is_digits(digits) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to);
    let (day, hour) = ([part(0, 4)?, part(4, 6)?, part(6, 8)?], [part(8, 10)?, part(10, 12)?, part(12, 14)?]);
    Some(format!("{} {}.{}", day.join("-"), hour.join(":"), part(14, SHORT_TIME)?))
}

/// `1.50` is a `DECIMAL 3 2`.
fn decimal(number: &str) -> Option<String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let precision = (whole.trim_start_matches('0').len() + fraction.len()).max(1);
    (precision <= 38).then(|| format!("DECIMAL {precision} {}", fraction.len()))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric())
}

/// The longest operator that the text starts with, and its length.
fn symbol(text: &str) -> Option<(Token, usize)> {
    static SYMBOLS: [(&str, Token); 38] = [
        ("<=>", Token::Spaceship),
        ("==", Token::DoubleEq),
        ("=>", Token::RArrow),
        ("<=", Token::LtEq),
        ("<>", Token::Neq),
        ("<<", Token::ShiftLeft),
        (">=", Token::GtEq),
        (">>", Token::ShiftRight),
        ("!=", Token::Neq),
        ("||", Token::StringConcat),
        ("|>", Token::VerticalBarRightAngleBracket),
        ("->", Token::Arrow),
        ("::", Token::DoubleColon),
        ("=", Token::Eq),
        ("<", Token::Lt),
        (">", Token::Gt),
        ("!", Token::ExclamationMark),
        ("|", Token::Pipe),
        ("&", Token::Ampersand),
        ("^", Token::Caret),
        ("~", Token::Tilde),
        (":", Token::Colon),
        ("+", Token::Plus),
        ("-", Token::Minus),
        ("*", Token::Mul),
        ("/", Token::Div),
        ("%", Token::Mod),
        (",", Token::Comma),
        ("(", Token::LParen),
        (")", Token::RParen),
        ("[", Token::LBracket),
        ("]", Token::RBracket),
        ("{", Token::LBrace),
        ("}", Token::RBrace),
        (".", Token::Period),
        ("@", Token::AtSign),
        ("#", Token::Sharp),
        ("\\", Token::Backslash),
    ];
    SYMBOLS
        .iter()
        .find(|(spelled, _)| text.starts_with(spelled))
        .map(|(spelled, token)| (token.clone(), spelled.len()))
}
