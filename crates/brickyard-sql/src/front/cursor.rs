//! A place in the tokens of one statement, and what can be read there: words, names, literals, types, expressions.
//!
//! Expressions and queries are `sqlparser`'s; it reads from the same tokens. Errors are the same whoever finds them.

use brickyard_types::SqlType;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::dialect::Databricks;
use super::lexer::{Place, Tokens};
use super::syntax_error::{ErrorClass, SyntaxError, offset};
use super::{dropped, lateral_view, limits, unnamed};
use crate::statement::{Name, NameOrMarker};

/// What `sqlparser` counts as a level: brackets, operators on the right, subqueries. The stack grows as needed.
const DEEPEST: usize = 300;

/// Reads one statement.
pub(super) struct Cursor<'a> {
    parser: Parser<'a>,
    dialect: &'a Databricks,
    text: &'a str,
    places: Vec<Place>,
}

/// Reads everything in the tokens of one statement, or says what is left over.
pub(super) fn read<T>(
    text: &str,
    tokens: Tokens,
    reader: impl FnOnce(&mut Cursor<'_>) -> Result<T, SyntaxError>,
) -> Result<T, SyntaxError> {
    let mut tokens = tokens;
    lateral_view::named(&mut tokens);
    let Tokens { tokens, places } = tokens;
    if let Some(index) = limits::too_complex(&tokens) {
        let start = places.get(index).map_or(0, |place| place.start as usize);
        return Err(too_complex(text, start));
    }
    crate::deep::set_stacks();
    let dialect = Databricks::new(tokens.len());
    let parser = Parser::new(&dialect).with_recursion_limit(DEEPEST).with_tokens_with_locations(tokens);
    let mut cursor = Cursor { parser, dialect: &dialect, text, places };
    let found = reader(&mut cursor)?;
    if cursor.at_end() { Ok(found) } else { Err(cursor.wrong()) }
}

fn too_complex(text: &str, start: usize) -> SyntaxError {
    let message =
        "The statement is nested too deeply or too long to parse. Divide it into simpler statements";
    SyntaxError::at(ErrorClass::TooComplex, message, text, start, "")
}

impl<'a> Cursor<'a> {
    // Where it is.

    /// The index of the next token.
    pub(super) fn mark(&self) -> usize {
        self.parser.index()
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek(0) == &Token::EOF
    }

    pub(super) fn peek(&self, ahead: usize) -> &Token {
        &self.parser.peek_nth_token_ref(ahead).token
    }

    pub(super) fn advance(&mut self) {
        self.parser.advance_token();
    }

    /// The text from a mark up to here, without the space around it.
    pub(super) fn text_since(&self, mark: usize) -> &'a str {
        self.text_between(mark, self.mark())
    }

    fn text_between(&self, from: usize, to: usize) -> &'a str {
        let start = self.places.get(from).map_or(self.text.len(), |place| place.start as usize);
        let end = to
            .checked_sub(1)
            .and_then(|last| self.places.get(last))
            .map_or(start, |place| place.end as usize);
        self.text.get(start..end).unwrap_or_default()
    }

    // Errors.

    /// `Syntax error at or near` the next token.
    pub(super) fn wrong(&self) -> SyntaxError {
        self.wrong_at(self.mark(), None)
    }

    /// The same, with what to do.
    pub(super) fn wrong_because(&self, hint: &str) -> SyntaxError {
        self.wrong_at(self.mark(), Some(hint))
    }

    fn wrong_at(&self, index: usize, hint: Option<&str>) -> SyntaxError {
        // Where no operator can be, a dash is part of a name.
        if self.is_dash_in_name(index) {
            return self.unquoted(index - 1);
        }
        SyntaxError::near(self.text, self.start_of(index), self.text_between(index, index + 1), hint)
    }

    fn start_of(&self, index: usize) -> usize {
        // At the end: behind the last token, not behind the comment that follows it.
        let end = || self.places.last().map_or(0, |place| place.end as usize);
        self.places.get(index).map_or_else(end, |place| place.start as usize)
    }

    /// Refuses a feature by its name.
    pub(super) fn unsupported(&self, feature: &str) -> SyntaxError {
        let message = format!("The feature is not supported: {feature}");
        let index = self.mark();
        let near = self.text_between(index, index + 1);
        SyntaxError::at(ErrorClass::Unsupported, message, self.text, self.start_of(index), near)
    }

    /// Says in our words what `sqlparser` found.
    fn translate(&self, error: ParserError) -> SyntaxError {
        let message = match error {
            ParserError::RecursionLimitExceeded => return too_complex(self.text, self.start_of(self.mark())),
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        };
        let place = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
            let (line, column) = place.split_once(", Column: ")?;
            offset(self.text, line.parse().ok()?, column.parse().ok()?)
        });
        let Some(start) = place else {
            let at = if message.ends_with("found: EOF") { self.places.len() } else { self.mark() };
            return self.wrong_at(at, None);
        };
        let index = self.places.partition_point(|place| (place.start as usize) < start);
        self.wrong_at(index, None)
    }

    // Words and symbols.

    /// Whether the token so far ahead is this word, unquoted. Words are written in upper case here.
    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(word))
    }

    /// Whether these words come next.
    pub(super) fn starts_with(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(ahead, word)| self.is_word(ahead, word))
    }

    /// Reads these words, if all of them are there.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let there = self.starts_with(words);
        if there {
            words.split(' ').for_each(|_| self.advance());
        }
        there
    }

    /// Reads the first of these words that is there.
    pub(super) fn eat_one_of<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().find(|word| self.eat(word)).copied()
    }

    pub(super) fn expect(&mut self, words: &str) -> Result<(), SyntaxError> {
        for word in words.split(' ') {
            if !self.eat(word) {
                return Err(self.wrong());
            }
        }
        Ok(())
    }

    pub(super) fn eat_symbol(&mut self, symbol: &Token) -> bool {
        let there = self.peek(0) == symbol;
        if there {
            self.advance();
        }
        there
    }

    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<(), SyntaxError> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.wrong()) }
    }

    pub(super) fn at_symbol(&self, symbol: &Token) -> bool {
        self.peek(0) == symbol
    }

    /// `a, b, c`.
    pub(super) fn comma_separated<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut all = vec![one(self)?];
        while self.eat_symbol(&Token::Comma) {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// `(a, b, c)`; `()` too, which is an empty list.
    pub(super) fn in_brackets<T>(
        &mut self,
        one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        self.expect_symbol(&Token::LParen)?;
        if self.eat_symbol(&Token::RParen) {
            return Ok(Vec::new());
        }
        let all = self.comma_separated(one)?;
        self.expect_symbol(&Token::RParen)?;
        Ok(all)
    }

    // Names.

    /// One name, quoted or not.
    pub(super) fn identifier(&mut self) -> Result<String, SyntaxError> {
        let Token::Word(word) = self.peek(0) else { return Err(self.wrong()) };
        let name = word.value.clone();
        if self.peek(1) == &Token::Minus && self.is_dash_in_name(self.mark() + 1) {
            return Err(self.unquoted(self.mark()));
        }
        self.advance();
        Ok(name)
    }

    /// `my-table`: the documented error says how to write it. `from` is its first word.
    fn unquoted(&self, from: usize) -> SyntaxError {
        let touches = |left: usize| match (self.places.get(left), self.places.get(left + 1)) {
            (Some(left), Some(right)) => left.end == right.start,
            _ => false,
        };
        let joins = |index: usize| {
            let part = self.text_between(index, index + 1);
            part == "-" || part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let mut end = from + 1;
        while touches(end - 1) && joins(end) {
            end += 1;
        }
        let name = self.text_between(from, end);
        let message = format!(
            "The unquoted identifier {name} is invalid and must be back quoted as: `{name}`. Unquoted identifiers can only \
             contain ASCII letters ('a' - 'z', 'A' - 'Z'), digits ('0' - '9'), and underbar ('_')"
        );
        SyntaxError::at(ErrorClass::Identifier, message, self.text, self.start_of(from), name)
    }

    /// Whether the token at this index is the `-` of `my-table`.
    fn is_dash_in_name(&self, index: usize) -> bool {
        let word = |index: usize| {
            let text = self.text_between(index, index + 1);
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !text.is_empty()
        };
        let places = index.checked_sub(1).and_then(|before| self.places.get(before..index + 2));
        let Some([left, dash, right]) = places else { return false };
        let dashed =
            self.text_between(index, index + 1) == "-" && left.end == dash.start && dash.end == right.start;
        dashed && word(index - 1) && word(index + 1)
    }

    /// `a`, `a.b`, `a.b.c`.
    pub(super) fn name(&mut self) -> Result<Name, SyntaxError> {
        let mut parts = vec![self.identifier()?];
        while self.at_symbol(&Token::Period) {
            if parts.len() == 3 {
                return Err(self.wrong_because("a name has at most three parts"));
            }
            self.advance();
            parts.push(self.identifier()?);
        }
        Ok(Name(parts))
    }

    /// A name, or `IDENTIFIER(expression)`.
    pub(super) fn name_or_marker(&mut self) -> Result<NameOrMarker, SyntaxError> {
        if !self.is_word(0, "IDENTIFIER") || self.peek(1) != &Token::LParen {
            return Ok(NameOrMarker::Name(self.name()?));
        }
        self.advance();
        self.advance();
        let expression = self.expression()?;
        self.expect_symbol(&Token::RParen)?;
        if self.at_symbol(&Token::Period) {
            return Err(self.wrong_because("IDENTIFIER(..) gives the whole name"));
        }
        Ok(NameOrMarker::Identifier(Box::new(expression)))
    }

    /// `[AS] alias`, unless one of these words comes next.
    pub(super) fn alias(&mut self, stops: &[&str]) -> Result<Option<String>, SyntaxError> {
        if self.eat("AS") {
            return Ok(Some(self.identifier()?));
        }
        let stop = stops.iter().any(|stop| self.is_word(0, stop));
        if stop || !matches!(self.peek(0), Token::Word(_)) { Ok(None) } else { Ok(Some(self.identifier()?)) }
    }

    /// Who: `` `ana@example.com` ``, `'..'` or one plain word.
    pub(super) fn principal(&mut self) -> Result<String, SyntaxError> {
        if self.at_string() {
            return self.string();
        }
        let bare = matches!(self.peek(0), Token::Word(Word { quote_style: None, .. }));
        if bare && matches!(self.peek(1), Token::AtSign | Token::Period | Token::Minus) {
            self.advance();
            return Err(self.wrong_because("write the principal in backticks"));
        }
        match self.peek(0) {
            Token::Number(..) => Err(self.wrong_because("write the principal in backticks")),
            _ => self.identifier(),
        }
    }

    // Literals.

    pub(super) fn at_string(&self) -> bool {
        matches!(self.peek(0), Token::SingleQuotedString(_))
    }

    /// A string literal; neighbours are one.
    pub(super) fn string(&mut self) -> Result<String, SyntaxError> {
        if !self.at_string() {
            return Err(self.wrong());
        }
        let mut text = String::new();
        while let Token::SingleQuotedString(part) = self.peek(0) {
            text.push_str(part);
            self.advance();
        }
        Ok(text)
    }

    /// `'text'`, or `NULL`.
    pub(super) fn string_or_null(&mut self) -> Result<Option<String>, SyntaxError> {
        if self.eat("NULL") { Ok(None) } else { self.string().map(Some) }
    }

    // What `sqlparser` reads.

    pub(super) fn expression(&mut self) -> Result<ast::Expr, SyntaxError> {
        let expression = self.parser.parse_expr().map_err(|error| self.translate(error))?;
        self.nothing_dropped(&expression)?;
        Ok(expression)
    }

    pub(super) fn query(&mut self) -> Result<Box<ast::Query>, SyntaxError> {
        if self.is_word(0, "TABLE") {
            self.spell_out_table();
        }
        let mut query = self.parser.parse_query().map_err(|error| self.translate(error))?;
        self.nothing_dropped(&query)?;
        unnamed::name(&mut query);
        Ok(query)
    }

    /// A table, a subquery in brackets or a table function, with its alias.
    pub(super) fn table_factor(&mut self) -> Result<ast::TableFactor, SyntaxError> {
        let factor = self.parser.parse_table_factor().map_err(|error| self.translate(error))?;
        self.nothing_dropped(&factor)?;
        Ok(factor)
    }

    /// `TABLE t` becomes `SELECT * FROM t`, because `sqlparser` knows no `TABLE a.b.c`.
    fn spell_out_table(&mut self) {
        let at = self.mark();
        let parser = std::mem::replace(&mut self.parser, Parser::new(self.dialect));
        let mut tokens = parser.into_tokens();
        if let (Some(table), Some(place)) = (tokens.get(at), self.places.get(at).copied()) {
            let span = table.span;
            let spelled = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
            tokens.splice(at..=at, spelled.map(|token| TokenWithSpan::new(token, span)));
            self.places.splice(at..=at, [place; 3]);
        }
        self.parser =
            Parser::new(self.dialect).with_recursion_limit(DEEPEST).with_tokens_with_locations(tokens);
        (0..at).for_each(|_| self.advance());
    }

    /// A query up to the end, if that is what comes.
    pub(super) fn query_to_the_end(&mut self) -> Result<Option<Box<ast::Query>>, SyntaxError> {
        let query = self.parser.maybe_parse(|parser| {
            let query = parser.parse_query()?;
            match parser.peek_token_ref().token {
                Token::EOF => Ok(query),
                _ => parser.expected_ref("the end", parser.peek_token_ref()),
            }
        });
        let query = query.map_err(|error| self.translate(error))?;
        let Some(mut query) = query else { return Ok(None) };
        self.nothing_dropped(&query)?;
        unnamed::name(&mut query);
        Ok(Some(query))
    }

    fn nothing_dropped<V: ast::Visit>(&self, tree: &V) -> Result<(), SyntaxError> {
        match dropped::find(tree) {
            None => Ok(()),
            Some(found) => {
                let index = found.place.and_then(|place| {
                    let start = offset(
                        self.text,
                        usize::try_from(place.line).ok()?,
                        usize::try_from(place.column).ok()?,
                    )?;
                    Some(self.places.partition_point(|place| (place.start as usize) < start))
                });
                let index = index.unwrap_or(0);
                let message = format!("The feature is not supported: {}", found.feature);
                let near = self.text_between(index, index + 1);
                Err(SyntaxError::at(ErrorClass::Unsupported, message, self.text, self.start_of(index), near))
            }
        }
    }

    // Types.

    /// A data type, as far as its brackets go.
    pub(super) fn data_type(&mut self) -> Result<SqlType, SyntaxError> {
        let from = self.mark();
        let Token::Word(first) = self.peek(0) else { return Err(self.wrong()) };
        let keyword = first.keyword;
        self.advance();
        match keyword {
            Keyword::DOUBLE => {
                self.eat("PRECISION");
            }
            Keyword::INTERVAL => {
                self.identifier()?;
                if self.eat("TO") {
                    self.identifier()?;
                }
            }
            _ => {}
        }
        match self.peek(0) {
            Token::LParen => self.skip_brackets(&Token::LParen, &Token::RParen)?,
            Token::Lt => self.skip_angles()?,
            Token::Neq => self.advance(),
            _ => {}
        }
        // Token by token, so that a comment between them is not part of the type.
        let words: Vec<&str> = (from..self.mark()).map(|index| self.text_between(index, index + 1)).collect();
        let written = words.join(" ");
        let written = if written.ends_with("<>") { written.replace("<>", "< >") } else { written };
        written.parse().map_err(|_| {
            let shown = self.text_since(from).to_ascii_uppercase();
            let message = format!("Unsupported data type \"{shown}\"");
            SyntaxError::at(
                ErrorClass::DataType,
                message,
                self.text,
                self.start_of(from),
                self.text_since(from),
            )
        })
    }

    fn skip_brackets(&mut self, open: &Token, close: &Token) -> Result<(), SyntaxError> {
        let mut depth = 0_usize;
        loop {
            match self.peek(0) {
                Token::EOF => return Err(self.wrong()),
                token if token == open => depth += 1,
                token if token == close => depth -= 1,
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_angles(&mut self) -> Result<(), SyntaxError> {
        let mut depth = 0_usize;
        loop {
            match self.peek(0) {
                Token::EOF => return Err(self.wrong()),
                Token::Lt => depth += 1,
                Token::Gt => depth -= 1,
                Token::ShiftRight if depth >= 2 => depth -= 2,
                Token::ShiftRight => return Err(self.wrong()),
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return Ok(());
            }
        }
    }
}
