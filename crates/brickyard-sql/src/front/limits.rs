//! How deep and how long a statement may be, asked of its tokens before anything is parsed.
//!
//! `sqlparser` counts the levels of its recursion, but a chain (`1 + 1 + 1 ..`, `UNION ALL ..`) makes a tree that is
//! as deep as the chain is long, and dropping such a tree overflows the stack without any parser being there to
//! notice. And where it does not know whether `((SELECT ..` is a subquery or a join it tries both, at every level.
//! So both are bounded here, in one pass, from above: what passes is never too deep.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Most brackets inside one another.
const DEEPEST: usize = 128;
/// Most `ARRAY<ARRAY<..` inside one another (the types themselves stop at 32).
const DEEPEST_TYPE: usize = 33;
/// Deepest tree that the operators may make: those of one operand, `AND` row and list entry, with everything that is
/// inside them. `Clone` and `Drop` of a tree recurse, unprotected, and take about 4 KiB a level without optimisation;
/// a thread may have as little as 2 MiB.
const DEEPEST_TREE: usize = 300;
/// How many of those levels a query in brackets is.
const QUERY: usize = 8;
/// How many of those levels a `UNION` is.
const SET: usize = 3;
/// What a row of `AND`s and `OR`s adds at most; `dialect` makes a balanced tree of a long one.
const DEEPEST_ROW: usize = 46;
/// How often a token may be looked at because of `((SELECT`, on average.
const MOST_WORK: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    Bracket,
    Case,
    Angle,
}

struct Level {
    opened: Opened,
    /// Operators of this operand.
    operators: usize,
    /// The deepest level inside this operand.
    below: usize,
    /// The deepest operand of this entry of a list.
    operand: usize,
    /// `AND`s and `OR`s of this entry.
    row: usize,
    /// `BETWEEN`s of this entry, whose `AND` is none.
    betweens: usize,
    /// The deepest entry.
    entry: usize,
    /// Levels for being a query, and for its `UNION`s.
    query: usize,
    /// How often what is inside may be parsed.
    work: usize,
}

impl Level {
    fn new(opened: Opened, work: usize) -> Self {
        Self { opened, operators: 0, below: 0, operand: 0, row: 0, betweens: 0, entry: 0, query: 0, work }
    }

    fn end_operand(&mut self) {
        self.operand = self.operand.max(self.operators + self.below);
        self.operators = 0;
        self.below = 0;
    }

    fn end_entry(&mut self) {
        self.entry = self.depth() - self.query;
        (self.operators, self.below, self.operand, self.row, self.betweens) = (0, 0, 0, 0, 0);
    }

    fn depth(&self) -> usize {
        let operand = self.operand.max(self.operators + self.below);
        self.entry.max(operand + self.row.min(DEEPEST_ROW) + self.betweens) + self.query
    }
}

/// The token at which the statement is too complex, if it is.
pub(super) fn too_complex(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut levels = vec![Level::new(Opened::Bracket, 1)];
    let (mut brackets, mut angles) = (0, 0);
    let mut work = 0_usize;
    let most_work = MOST_WORK * tokens.len() + 100_000;
    for (index, token) in tokens.iter().enumerate() {
        let mut opens = None;
        let mut closes = 0;
        let operator = index.checked_sub(1).and_then(|before| tokens.get(before)).is_none_or(ends_operand);
        let level = levels.last_mut()?;
        level.operators += usize::from(is_operator(&token.token));
        work = work.saturating_add(level.work);
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => opens = Some(Opened::Bracket),
            Token::RParen | Token::RBracket | Token::RBrace => {
                while levels.len() > 1 && levels.last().is_some_and(|level| level.opened != Opened::Bracket) {
                    angles -= usize::from(close(&mut levels) == Some(Opened::Angle));
                }
                if levels.len() > 1 {
                    close(&mut levels);
                    brackets -= 1;
                }
            }
            Token::Comma => level.end_entry(),
            Token::Gt => closes = 1,
            Token::ShiftRight => closes = 2,
            Token::Word(word) => match word.keyword {
                Keyword::CASE => opens = Some(Opened::Case),
                Keyword::END if operator && level.opened == Opened::Case => {
                    close(&mut levels);
                }
                Keyword::AND | Keyword::OR if operator => {
                    level.end_operand();
                    level.row += 1;
                }
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE if operator => level.end_entry(),
                Keyword::SELECT => level.query = level.query.max(QUERY),
                Keyword::BETWEEN => level.betweens += 1,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS if operator => {
                    level.end_operand();
                    level.query += SET;
                }
                Keyword::ARRAY | Keyword::MAP | Keyword::STRUCT
                    if tokens.get(index + 1).is_some_and(|next| next.token == Token::Lt) =>
                {
                    opens = Some(Opened::Angle);
                }
                _ => {}
            },
            _ => {}
        }
        for _ in 0..closes {
            if levels.last().is_some_and(|level| level.opened == Opened::Angle) {
                close(&mut levels);
                angles -= 1;
            }
        }
        if let Some(opened) = opens {
            let outer = levels.last().map_or(1, |level| level.work);
            let again = if opened == Opened::Bracket { queries_tried(tokens, index) } else { 1 };
            brackets += usize::from(opened == Opened::Bracket);
            angles += usize::from(opened == Opened::Angle);
            levels.push(Level::new(opened, outer.saturating_mul(again)));
        }
        let level = levels.last()?;
        let deep = brackets > DEEPEST || angles > DEEPEST_TYPE || levels.len() > 4 * DEEPEST;
        if deep || level.depth() > DEEPEST_TREE || work > most_work {
            return Some(index);
        }
    }
    // What is still open at the end, `CASE` as a name above all, is one inside the other.
    while levels.len() > 1 {
        close(&mut levels);
    }
    (levels.first()?.depth() > DEEPEST_TREE).then(|| tokens.len().saturating_sub(1))
}

/// Whether this token can make the tree one level deeper where it stands.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::IS
                | Keyword::IN
                | Keyword::NOT
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::DIV
                | Keyword::COLLATE
                | Keyword::INTERVAL
                | Keyword::EXPLAIN
                | Keyword::LAMBDA
                | Keyword::PIVOT
                | Keyword::UNPIVOT
                | Keyword::JOIN
        ),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::HexStringLiteral(_) => false,
        token => {
            !matches!(token, Token::Comma | Token::Period | Token::RParen | Token::RBracket | Token::RBrace)
        }
    }
}

/// Whether a word behind this token can be an operator or a part of `CASE`, and not a name: `x.and`, `:end`, `1 + when`.
fn ends_operand(before: &TokenWithSpan) -> bool {
    match &before.token {
        Token::Word(word) => !matches!(
            word.keyword,
            Keyword::COLLATE
                | Keyword::OVER
                | Keyword::AS
                | Keyword::DIV
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::BETWEEN
                | Keyword::FROM
                | Keyword::NOT
                | Keyword::AND
                | Keyword::OR
        ),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::HexStringLiteral(_) => true,
        Token::RParen | Token::RBracket | Token::RBrace | Token::Gt | Token::ShiftRight => true,
        _ => false,
    }
}

/// Ends the innermost level; its depth counts for the one around it.
fn close(levels: &mut Vec<Level>) -> Option<Opened> {
    let closed = levels.pop()?;
    if let Some(outer) = levels.last_mut() {
        outer.below = outer.below.max(closed.depth() + 1);
    }
    Some(closed.opened)
}

/// How often `sqlparser` may parse what is in this bracket, beyond once: `((SELECT` twice, `(((SELECT` three times.
/// Counted at the first bracket of the row.
fn queries_tried(tokens: &[TokenWithSpan], open: usize) -> usize {
    let is_open = |token: &TokenWithSpan| token.token == Token::LParen;
    if open.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(is_open) {
        return 1;
    }
    let row = tokens[open..].iter().take(DEEPEST).take_while(|token| is_open(token)).count();
    match tokens.get(open + row).map(|token| &token.token) {
        Some(Token::Word(word))
            if matches!(
                word.keyword,
                Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM | Keyword::TABLE
            ) =>
        {
            row.max(1)
        }
        _ => 1,
    }
}
