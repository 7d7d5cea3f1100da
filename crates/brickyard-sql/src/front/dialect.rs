//! Databricks' dialect for `sqlparser`: its own `DatabricksDialect`, corrected where Databricks reads a query
//! otherwise, and with a bound on the time.
//!
//! Precedence is security: `owner IS DISTINCT FROM 'x' AND public` must mean the same here and there.
//! Source of the precedences: "Operators" in Databricks' SQL language manual.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, Interval, ObjectName, ObjectNamePart, ObjectNamePartFunction, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::{DatabricksDialect, Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

/// Most operands of one row of `AND`s or `OR`s.
const MOST_OPERANDS: usize = 2_000;
/// A row of `AND`s up to this long stays as it was written.
const SHORT_ROW: usize = 16;
/// How often an expression may be started for each token of the statement. `sqlparser` reads again what it
/// misunderstood (`CEIL(CEIL(CEIL(` three times at each level); without a bound that doubles with every level.
const STARTS: usize = 16;
/// Most links of one chain of operators, `1 + 1 + 1 ..`. `limits` refuses most such chains before; this holds for
/// each of them.
const LONGEST_CHAIN: usize = 300;
/// What binds `<<`: less than `+`, more than `&`.
const SHIFT: u8 = 27;

/// The dialect, for one statement.
#[derive(Debug)]
pub(super) struct Databricks {
    base: DatabricksDialect,
    starts: Cell<usize>,
    operators: Cell<usize>,
}

impl Databricks {
    /// For a statement of so many tokens.
    pub(super) fn new(tokens: usize) -> Self {
        Self { base: DatabricksDialect, starts: Cell::new(STARTS * tokens + 2_000), operators: Cell::new(0) }
    }

    fn start(&self) -> Result<(), ParserError> {
        let left = self.starts.get().checked_sub(1).ok_or(ParserError::RecursionLimitExceeded)?;
        self.starts.set(left);
        Ok(())
    }
}

impl Dialect for Databricks {
    fn dialect(&self) -> TypeId {
        self.base.dialect()
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.base.is_delimited_identifier_start(ch)
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        self.base.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.base.is_identifier_part(ch)
    }
    fn supports_numeric_prefix(&self) -> bool {
        self.base.supports_numeric_prefix()
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        self.base.supports_filter_during_aggregation()
    }
    fn supports_group_by_expr(&self) -> bool {
        self.base.supports_group_by_expr()
    }
    fn supports_table_versioning(&self) -> bool {
        self.base.supports_table_versioning()
    }
    fn supports_lambda_functions(&self) -> bool {
        self.base.supports_lambda_functions()
    }
    fn supports_select_wildcard_except(&self) -> bool {
        self.base.supports_select_wildcard_except()
    }
    fn require_interval_qualifier(&self) -> bool {
        self.base.require_interval_qualifier()
    }
    fn supports_struct_literal(&self) -> bool {
        self.base.supports_struct_literal()
    }
    fn supports_nested_comments(&self) -> bool {
        self.base.supports_nested_comments()
    }
    fn supports_group_by_with_modifier(&self) -> bool {
        self.base.supports_group_by_with_modifier()
    }
    fn supports_values_as_table_factor(&self) -> bool {
        self.base.supports_values_as_table_factor()
    }
    fn supports_bang_not_operator(&self) -> bool {
        self.base.supports_bang_not_operator()
    }
    fn supports_cte_without_as(&self) -> bool {
        self.base.supports_cte_without_as()
    }
    fn supports_select_item_multi_column_alias(&self) -> bool {
        self.base.supports_select_item_multi_column_alias()
    }

    // What Databricks knows and `DatabricksDialect` does not.

    fn supports_string_literal_concatenation(&self) -> bool {
        true
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
    fn supports_order_by_all(&self) -> bool {
        true
    }
    fn supports_from_first_select(&self) -> bool {
        true
    }
    fn supports_pipe_operator(&self) -> bool {
        true
    }
    fn supports_table_sample_before_alias(&self) -> bool {
        true
    }
    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }
    fn supports_long_type_as_bigint(&self) -> bool {
        true
    }
    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }
    fn is_identifier_generating_function_name(&self, ident: &Ident, _name_parts: &[ObjectNamePart]) -> bool {
        ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("identifier")
    }
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        // `CASE` as a name would make what `limits` counts wrong.
        keyword == Keyword::CASE || self.base.is_reserved_for_identifier(keyword)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let precedence = match &parser.peek_token_ref().token {
            Token::StringConcat => self.prec_value(Precedence::PlusMinus),
            Token::ShiftLeft | Token::ShiftRight => SHIFT,
            Token::Colon => match &parser.peek_nth_token_ref(1).token {
                Token::Word(_) | Token::LBracket => self.prec_value(Precedence::DoubleColon),
                _ => self.prec_unknown(),
            },
            // Operators of other databases.
            Token::Tilde | Token::Arrow | Token::AtSign | Token::Sharp => self.prec_unknown(),
            Token::Word(word) => match word.keyword {
                Keyword::XOR
                | Keyword::OVERLAPS
                | Keyword::MATCH
                | Keyword::SIMILAR
                | Keyword::MEMBER
                | Keyword::OPERATOR
                | Keyword::AT => self.prec_unknown(),
                Keyword::NOT => match &parser.peek_nth_token_ref(1).token {
                    // `DEFAULT 1 NOT NULL` is not a comparison.
                    Token::Word(Word {
                        keyword: Keyword::NULL | Keyword::MATCH | Keyword::SIMILAR | Keyword::MEMBER,
                        ..
                    }) => self.prec_unknown(),
                    _ => return None,
                },
                _ => return None,
            },
            _ => return None,
        };
        Some(Ok(precedence))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if let Err(error) = self.start() {
            return Some(Err(error));
        }
        match &parser.peek_token_ref().token {
            // First, because long lists of values are made of them.
            Token::Number(..) | Token::SingleQuotedString(_) => Some(parser.parse_value().map(Expr::Value)),
            Token::Tilde => {
                parser.advance_token();
                let operand = parser.parse_subexpr(self.prec_value(Precedence::MulDivModOp));
                Some(
                    operand.map(|expr| Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: Box::new(expr) }),
                )
            }
            // `@x` and `$$x$$` are values in other databases.
            Token::AtSign | Token::DollarQuotedString(_) => {
                Some(parser.expected_ref("an expression", parser.peek_token_ref()))
            }
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::INTERVAL => self.interval(parser),
                // `json:a` is a path into a column, and no JSON literal with the value of the parameter `a`.
                Keyword::NOT | Keyword::CASE => None,
                _ if parser.peek_nth_token_ref(1).token == Token::Colon => {
                    Some(parser.parse_identifier().map(Expr::Identifier))
                }
                _ if is_identifier_clause(parser, word) => Some(self.identifier_clause(parser)),
                _ => None,
            },
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        self.operators.set(self.operators.get() + 1);
        if self.operators.get() > LONGEST_CHAIN && chain(left) > LONGEST_CHAIN {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        let Token::Word(word) = &parser.peek_token_ref().token else { return None };
        match word.keyword {
            Keyword::AND => Some(row(parser, left, Keyword::AND, BinaryOperator::And, precedence)),
            Keyword::OR => Some(row(parser, left, Keyword::OR, BinaryOperator::Or, precedence)),
            Keyword::DIV => {
                parser.advance_token();
                let op = BinaryOperator::MyIntegerDivide;
                Some(parser.parse_subexpr(precedence).map(|right| binary(left.clone(), op, right)))
            }
            Keyword::IS => {
                let (negated, length) = match next_keywords(parser) {
                    [Keyword::DISTINCT, Keyword::FROM, _] => (false, 3),
                    [Keyword::NOT, Keyword::DISTINCT, Keyword::FROM] => (true, 4),
                    _ => return None,
                };
                (0..length).for_each(|_| parser.advance_token());
                let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
                let left = Box::new(left.clone());
                Some(right.map(|right| match negated {
                    true => Expr::IsNotDistinctFrom(left, Box::new(right)),
                    false => Expr::IsDistinctFrom(left, Box::new(right)),
                }))
            }
            _ => None,
        }
    }
}

impl Databricks {
    /// `INTERVAL '1 day'` and `INTERVAL 3 DAYS 2 HOURS`, which `sqlparser` leaves to others.
    fn interval(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let mut parts: Vec<String> = Vec::new();
        let mut at = 1;
        loop {
            let negative = parser.peek_nth_token_ref(at).token == Token::Minus;
            let after = at + usize::from(negative);
            let number = match &parser.peek_nth_token_ref(after).token {
                Token::Number(number, false) => number,
                Token::SingleQuotedString(text) => text,
                _ => break,
            };
            let number = format!("{}{}", if negative { "-" } else { "" }, number.trim());
            match &parser.peek_nth_token_ref(after + 1).token {
                Token::Word(unit) if is_unit(unit.keyword) => parts.push(format!("{number} {}", unit.value)),
                _ if parts.is_empty() && !negative && number.contains(' ') => {
                    // The units are in the text.
                    (0..=after).for_each(|_| parser.advance_token());
                    return Some(Ok(interval_of(number)));
                }
                _ => break,
            }
            at = after + 2;
        }
        if parts.len() < 2 {
            return None;
        }
        (0..at).for_each(|_| parser.advance_token());
        Some(Ok(interval_of(parts.join(" "))))
    }

    /// `IDENTIFIER(:x)`, a column, and `IDENTIFIER(:f)(1, 2)`, a call.
    fn identifier_clause(&self, parser: &mut Parser) -> Result<Expr, ParserError> {
        let name = parser.parse_identifier()?;
        parser.expect_token(&Token::LParen)?;
        let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(parser.parse_expr()?));
        parser.expect_token(&Token::RParen)?;
        if parser.peek_token_ref().token == Token::LParen {
            let part = ObjectNamePart::Function(ObjectNamePartFunction { name, args: vec![argument] });
            return parser.parse_function(ObjectName(vec![part]));
        }
        Ok(Expr::Function(Function {
            name: ObjectName::from(vec![name]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: vec![argument],
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        }))
    }
}

fn is_identifier_clause(parser: &Parser, word: &Word) -> bool {
    word.value.eq_ignore_ascii_case("identifier") && parser.peek_nth_token_ref(1).token == Token::LParen
}

/// The keywords of the three tokens after the next one.
fn next_keywords(parser: &Parser) -> [Keyword; 3] {
    [1, 2, 3].map(|ahead| match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    })
}

fn is_unit(keyword: Keyword) -> bool {
    use Keyword::{
        DAY, DAYS, HOUR, HOURS, MICROSECOND, MICROSECONDS, MILLISECOND, MILLISECONDS, MINUTE, MINUTES, MONTH,
        MONTHS, SECOND, SECONDS, WEEK, WEEKS, YEAR, YEARS,
    };
    matches!(
        keyword,
        YEAR | YEARS
            | MONTH
            | MONTHS
            | WEEK
            | WEEKS
            | DAY
            | DAYS
            | HOUR
            | HOURS
            | MINUTE
            | MINUTES
            | SECOND
            | SECONDS
            | MILLISECOND
            | MILLISECONDS
            | MICROSECOND
            | MICROSECONDS
    )
}

fn interval_of(text: String) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(text))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// How many operators follow one another on the left side of an expression.
fn chain(mut expr: &Expr) -> usize {
    let mut links = 0;
    loop {
        expr = match expr {
            Expr::BinaryOp { left, .. } | Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } => left,
            Expr::IsDistinctFrom(left, _) | Expr::IsNotDistinctFrom(left, _) => left,
            Expr::IsNull(expr) | Expr::IsNotNull(expr) | Expr::IsTrue(expr) | Expr::IsNotTrue(expr) => expr,
            Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr) => expr,
            Expr::Cast { expr, .. } | Expr::JsonAccess { value: expr, .. } | Expr::Collate { expr, .. } => {
                expr
            }
            Expr::Like { expr, .. } | Expr::ILike { expr, .. } | Expr::RLike { expr, .. } => expr,
            Expr::InList { expr, .. } | Expr::InSubquery { expr, .. } | Expr::Between { expr, .. } => expr,
            Expr::IsNormalized { expr, .. } | Expr::Nested(expr) => expr,
            _ => return links,
        };
        links += 1;
    }
}

/// A row of `AND`s or `OR`s. A long one becomes a balanced tree: it means the same and is not deep.
fn row(
    parser: &mut Parser,
    left: &Expr,
    keyword: Keyword,
    op: BinaryOperator,
    precedence: u8,
) -> Result<Expr, ParserError> {
    let mut operands = vec![left.clone()];
    while parser.parse_keyword(keyword) {
        operands.push(parser.parse_subexpr(precedence)?);
        if operands.len() > MOST_OPERANDS {
            return Err(ParserError::RecursionLimitExceeded);
        }
    }
    while operands.len() > SHORT_ROW {
        let mut halved = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            halved.push(match rest.next() {
                Some(right) => binary(left, op.clone(), right),
                None => left,
            });
        }
        operands = halved;
    }
    let joined = operands.into_iter().reduce(|left, right| binary(left, op.clone(), right));
    Ok(joined.unwrap_or_else(|| left.clone()))
}
