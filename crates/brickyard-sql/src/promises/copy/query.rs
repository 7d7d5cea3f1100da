//! Queries out of numbers: each number is a choice, and where there are none left the simplest is taken. So a failing
//! query shrinks with its numbers.

use std::fmt::Write as _;

/// The type of a column or expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Number,
    Text,
    Day,
}

/// A relation that expressions may name.
#[derive(Clone, Debug)]
struct Relation {
    alias: String,
    columns: Vec<(String, Kind)>,
}

/// Makes one query.
pub struct Maker<'a> {
    choices: std::slice::Iter<'a, u16>,
    aliases: usize,
    /// Common table expressions that may be read.
    shared: Vec<Relation>,
}

/// A query, and what it answers.
struct Made {
    sql: String,
    kinds: Vec<Kind>,
}

use Kind::{Day, Number, Text};

const STAFF: &[(&str, Kind)] =
    &[("id", Number), ("dept", Text), ("boss", Number), ("salary", Number), ("email", Text), ("joined", Day)];
const ORDERS: &[(&str, Kind)] =
    &[("id", Number), ("staff", Number), ("region", Text), ("amount", Number), ("note", Text)];
const PLAIN: &[(&str, Kind)] = &[("k", Number), ("name", Text)];
const PEOPLE: &[(&str, Kind)] = &[("id", Number), ("email", Text), ("salary", Number), ("dept", Text)];
const TOTALS: &[(&str, Kind)] = &[("dept", Text), ("n", Number), ("total", Number)];
const OF_REGION: &[(&str, Kind)] = &[("id", Number), ("amount", Number), ("note", Text)];

/// What is read, and how often it is chosen.
const SOURCES: &[(&str, &[(&str, Kind)])] = &[
    ("staff", STAFF),
    ("orders", ORDERS),
    ("staff", STAFF),
    ("orders", ORDERS),
    ("plain", PLAIN),
    ("engineers", PEOPLE),
    ("totals", TOTALS),
    ("seniors", PEOPLE),
    ("of_region('EMEA')", OF_REGION),
    ("of_region('APAC')", OF_REGION),
];

const NUMBERS: &[&str] = &["1", "0", "2", "3", "10", "20", "777", "-1", "40", "1000"];
const TEXTS: &[&str] =
    &["'eng'", "'ops'", "'EMEA'", "'AMER'", "'APAC'", "'0'", "'5'", "'canary'", "'canary-2'", "'11'", "''"];
const DAYS: &[&str] = &["DATE'2021-02-03'", "DATE'2020-01-01'", "DATE'1999-12-31'"];

impl<'a> Maker<'a> {
    pub fn new(choices: &'a [u16]) -> Self {
        Self { choices: choices.iter(), aliases: 0, shared: Vec::new() }
    }

    /// A number below `n`; 0 when there are no choices left.
    fn below(&mut self, n: usize) -> usize {
        self.choices.next().map_or(0, |choice| usize::from(*choice) % n)
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len());
        all[at].clone()
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    /// The whole statement.
    pub fn statement(&mut self) -> String {
        let mut with = String::new();
        match self.below(12) {
            10 | 11 => {
                let made = self.query(1, &[]);
                let columns = named(&made.kinds);
                let list: Vec<_> = columns.iter().map(|(name, _)| name.clone()).collect();
                let _ = write!(with, "WITH shared ({}) AS ({}) ", list.join(", "), made.sql);
                self.shared.push(Relation { alias: "shared".to_owned(), columns });
            }
            9 => {
                let _ = write!(
                    with,
                    "WITH RECURSIVE chain (id, boss, depth) AS (SELECT id, boss, CAST(0 AS BIGINT) FROM staff WHERE boss IS NULL \
                     UNION ALL SELECT s.id, s.boss, c.depth + 1 FROM staff s JOIN chain c ON s.boss = c.id WHERE c.depth < 4) "
                );
                let columns = ["id", "boss", "depth"].map(|name| (name.to_owned(), Number)).to_vec();
                self.shared.push(Relation { alias: "chain".to_owned(), columns });
            }
            _ => {}
        }
        let made = self.query(2, &[]);
        let places: Vec<_> = (1..=made.kinds.len()).map(|place| place.to_string()).collect();
        let sql = format!("{with}{}", made.sql);
        if self.once_in(4) && !places.is_empty() {
            // Every column decides, so that the limit takes the same rows.
            let down = if self.once_in(2) { " DESC" } else { "" };
            let limit = self.below(5) + 1;
            let skipped = if self.once_in(3) { " OFFSET 1" } else { "" };
            let order: Vec<_> = places.iter().map(|place| format!("{place}{down}")).collect();
            return format!("{sql} ORDER BY {} LIMIT {limit}{skipped}", order.join(", "));
        }
        sql
    }

    /// A query that may hold others down to `depth`; `outer` is what it may refer to outside.
    fn query(&mut self, depth: usize, outer: &[Relation]) -> Made {
        if depth > 0 && self.once_in(8) {
            let kinds: Vec<_> = (0..=self.below(2)).map(|_| self.kind()).collect();
            let (left, right) =
                (self.select(depth - 1, outer, &kinds), self.select(depth - 1, outer, &kinds));
            let how = self.one_of(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
            return Made { sql: format!("{left} {how} {right}"), kinds };
        }
        match self.below(8) {
            6 | 7 => self.aggregate(depth, outer),
            5 => self.window(depth),
            4 => self.star(depth),
            _ => {
                let kinds: Vec<_> = (0..=self.below(3)).map(|_| self.kind()).collect();
                Made { sql: self.select(depth, outer, &kinds), kinds }
            }
        }
    }

    fn kind(&mut self) -> Kind {
        self.one_of(&[Number, Text, Number, Text, Day])
    }

    fn star(&mut self, depth: usize) -> Made {
        let (from, scope) = self.from(depth, &[]);
        let filter = self.filter(depth, &scope);
        let kinds =
            scope.iter().flat_map(|relation| relation.columns.iter().map(|(_, kind)| *kind)).collect();
        Made { sql: format!("SELECT * FROM {from}{filter}"), kinds }
    }

    /// Expressions of these kinds over some relations.
    fn select(&mut self, depth: usize, outer: &[Relation], kinds: &[Kind]) -> String {
        let (from, scope) = self.from(depth, outer);
        let shown: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| format!("{} AS c{at}", self.value(2, *kind, &scope, depth)))
            .collect();
        let distinct = if self.once_in(5) { "DISTINCT " } else { "" };
        let filter = self.filter(depth, &scope);
        format!("SELECT {distinct}{} FROM {from}{filter}", shown.join(", "))
    }

    fn aggregate(&mut self, depth: usize, outer: &[Relation]) -> Made {
        let (from, scope) = self.from(depth, outer);
        let local = scope.clone();
        let keys: Vec<Kind> = (0..self.below(3)).map(|_| self.kind()).collect();
        let by = self.below(8);
        // ROLLUP and CUBE of a constant: DataFusion takes the column for one that is never NULL.
        let size = usize::from(by < 6);
        let mut groups = Vec::new();
        for kind in &keys {
            let value = self.value(size, *kind, &local, 0);
            let constant = size == 0 && !value.contains('.');
            groups.push(if constant {
                format!("{}.{}", local[0].alias, local[0].columns[0].0)
            } else {
                value
            });
        }
        let mut keys = keys;
        for (group, kind) in groups.iter().zip(&mut keys) {
            let first = format!("{}.{}", local[0].alias, local[0].columns[0].0);
            if size == 0 && *group == first {
                *kind = local[0].columns[0].1;
            }
        }
        let (mut shown, mut kinds) = (groups.clone(), keys);
        for _ in 0..=self.below(2) {
            let (value, kind) = self.aggregated(&local);
            shown.push(value);
            kinds.push(kind);
        }
        let shown: Vec<_> = shown.iter().enumerate().map(|(at, value)| format!("{value} AS c{at}")).collect();
        let filter = self.filter(depth, &scope);
        let mut sql = format!("SELECT {} FROM {from}{filter}", shown.join(", "));
        if !groups.is_empty() {
            let listed = groups.join(", ");
            let by = match by {
                7 => format!("ROLLUP({listed})"),
                6 => format!("CUBE({listed})"),
                _ => listed,
            };
            let _ = write!(sql, " GROUP BY {by}");
        }
        if self.once_in(3) {
            let (value, kind) = self.aggregated(&local);
            let bound = self.literal(kind);
            let how = self.one_of(&[">", "<=", "<>"]);
            let _ = write!(sql, " HAVING {value} {how} {bound}");
        }
        Made { sql, kinds }
    }

    /// An aggregate whose answer does not depend on the rows' order.
    fn aggregated(&mut self, scope: &[Relation]) -> (String, Kind) {
        match self.below(9) {
            0 => ("count(*)".to_owned(), Number),
            1 => (format!("sum({})", self.value(1, Number, scope, 0)), Number),
            2 => (format!("max({})", self.value(1, Text, scope, 0)), Text),
            3 => (format!("min({})", self.value(1, Number, scope, 0)), Number),
            4 => {
                let kind = self.kind();
                (format!("count(DISTINCT {})", self.value(1, kind, scope, 0)), Number)
            }
            5 => {
                let value = self.value(1, Number, scope, 0);
                (format!("count(*) FILTER (WHERE {} > {value})", self.literal(Number)), Number)
            }
            6 => {
                let when = if self.once_in(3) {
                    self.subquery(scope, 1, false)
                } else {
                    self.condition(1, scope, 0)
                };
                (format!("sum(CASE WHEN {when} THEN 1 ELSE 0 END)"), Number)
            }
            7 => (format!("min({})", self.value(1, Day, scope, 0)), Day),
            _ => (format!("count({})", self.value(1, Text, scope, 0)), Number),
        }
    }

    /// Window functions whose answer does not depend on the order of equal rows.
    fn window(&mut self, depth: usize) -> Made {
        let (from, scope) = self.from(depth, &[]);
        let kind = self.kind();
        let (shown, by) = (self.value(1, kind, &scope, 0), self.value(1, Text, &scope, 0));
        let order = self.value(1, Number, &scope, 0);
        let called = match self.below(6) {
            0 => "rank()".to_owned(),
            1 => "dense_rank()".to_owned(),
            2 => format!("sum({})", self.value(1, Number, &scope, 0)),
            3 => format!("max({})", self.value(1, Number, &scope, 0)),
            4 => "count(*)".to_owned(),
            _ => format!("count({})", self.value(1, Text, &scope, 0)),
        };
        let filter = self.filter(depth, &scope);
        let partition = if self.once_in(2) { format!("PARTITION BY {by} ") } else { String::new() };
        let sql = format!(
            "SELECT {shown} AS c0, {called} OVER ({partition}ORDER BY {order}) AS c1 FROM {from}{filter}"
        );
        if self.once_in(3) {
            let alias = self.alias();
            let filtered = format!("SELECT c0, c1 FROM ({sql}) {alias} WHERE c1 > 1");
            return Made { sql: filtered, kinds: vec![kind, Number] };
        }
        Made { sql, kinds: vec![kind, Number] }
    }

    /// What is read, and what expressions may name: its own relations first, then those outside.
    fn from(&mut self, depth: usize, outer: &[Relation]) -> (String, Vec<Relation>) {
        let (mut sql, first) = self.source(depth);
        let mut scope = vec![first];
        for _ in 0..[0, 0, 0, 1, 1, 2][self.below(6)] {
            let (other, relation) = self.source(depth);
            let left = scope.clone();
            scope.push(relation);
            match self.below(9) {
                7 => {
                    let _ = write!(sql, " CROSS JOIN {other}");
                }
                // Only the left side goes on.
                how @ (5 | 6) => {
                    let how = if how == 5 { "LEFT SEMI" } else { "LEFT ANTI" };
                    let on = self.joined(&scope);
                    let _ = write!(sql, " {how} JOIN {other} ON {on}");
                    scope = left;
                }
                how => {
                    let how = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "INNER JOIN"][how % 5];
                    let mut on = self.joined(&scope);
                    if depth > 0 && self.once_in(10) {
                        let last = scope.len() - 1;
                        let _ = write!(on, " AND {}", self.subquery(&scope[last..], depth, false));
                    }
                    let _ = write!(sql, " {how} {other} ON {on}");
                }
            }
        }
        scope.extend_from_slice(outer);
        (sql, scope)
    }

    /// Mostly an equality of two sides, sometimes with a condition on it.
    fn joined(&mut self, scope: &[Relation]) -> String {
        let (last, before) = scope.split_last().expect("two relations");
        let kind = self.one_of(&[Number, Text, Number]);
        let left = self.column(kind, before);
        let right = self.column(kind, std::slice::from_ref(last));
        let mut on = format!("{left} = {right}");
        if self.once_in(4) {
            let _ = write!(on, " AND {}", self.comparison(1, scope, 0));
        }
        on
    }

    fn source(&mut self, depth: usize) -> (String, Relation) {
        let alias = self.alias();
        if depth > 0 && self.once_in(6) {
            let made = self.query(depth - 1, &[]);
            let columns = named(&made.kinds);
            let list: Vec<_> = columns.iter().map(|(name, _)| name.clone()).collect();
            let limited = if self.once_in(5) && !made.kinds.is_empty() {
                let places: Vec<_> = (1..=made.kinds.len()).map(|place| place.to_string()).collect();
                format!(" ORDER BY {} LIMIT {}", places.join(", "), self.below(4) + 1)
            } else {
                String::new()
            };
            let sql = format!("({}{limited}) {alias} ({})", made.sql, list.join(", "));
            return (sql, Relation { alias, columns });
        }
        if !self.shared.is_empty() && self.once_in(2) {
            let shared = self.shared[0].clone();
            return (format!("{} {alias}", shared.alias), Relation { alias, columns: shared.columns });
        }
        let (name, columns) = self.one_of(SOURCES);
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        (format!("{name} {alias}"), Relation { alias, columns })
    }

    fn filter(&mut self, depth: usize, scope: &[Relation]) -> String {
        if self.once_in(3) { String::new() } else { format!(" WHERE {}", self.condition(2, scope, depth)) }
    }

    fn column(&mut self, kind: Kind, scope: &[Relation]) -> String {
        let mut all = Vec::new();
        for relation in scope {
            for (name, found) in &relation.columns {
                if *found == kind {
                    all.push(format!("{}.{name}", relation.alias));
                }
            }
        }
        if all.is_empty() { self.literal(kind) } else { self.one_of(&all) }
    }

    fn literal(&mut self, kind: Kind) -> String {
        let all = match kind {
            Number => NUMBERS,
            Text => TEXTS,
            Day => DAYS,
        };
        self.one_of(all).to_owned()
    }

    fn value(&mut self, size: usize, kind: Kind, scope: &[Relation], depth: usize) -> String {
        if size == 0 {
            return self.column(kind, scope);
        }
        let at = self.below(14);
        if at == 13 && depth > 0 {
            // A scalar subquery, often one that looks outside.
            let alias = self.alias();
            let (name, columns) = self.one_of(&SOURCES[..5]);
            let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
            let inside = Relation { alias: alias.clone(), columns };
            let value = self.column(kind, std::slice::from_ref(&inside));
            let on = if self.once_in(2) {
                self.joined(&with(scope, &inside))
            } else if self.once_in(3) {
                let (inner, outer) =
                    (self.column(Number, std::slice::from_ref(&inside)), self.column(Number, scope));
                format!("{inner} {} {outer}", self.one_of(&["<", ">=", "<>"]))
            } else {
                self.comparison(1, &[inside], 0)
            };
            return format!("(SELECT max({value}) FROM {name} {alias} WHERE {on})");
        }
        if at < 6 {
            return self.column(kind, scope);
        }
        let size = size - 1;
        match (at, kind) {
            (6, Number) if depth > 0 && self.once_in(2) => {
                // What is true, false or unknown, as a number.
                let truth = self.subquery(scope, depth, false);
                format!("coalesce(CAST({truth} AS INT), 7)")
            }
            (6, _) => {
                let when = if depth > 0 && self.once_in(3) {
                    self.subquery(scope, depth, false)
                } else {
                    self.condition(size, scope, 0)
                };
                let then = self.value(size, kind, scope, 0);
                format!("CASE WHEN {when} THEN {then} ELSE {} END", self.value(size, kind, scope, 0))
            }
            (7, _) => format!("coalesce({}, {})", self.column(kind, scope), self.literal(kind)),
            (8, Number) => format!("({} + {})", self.value(size, kind, scope, 0), self.literal(kind)),
            (9, Number) => format!("length({})", self.value(size, Text, scope, 0)),
            (10, Number) => format!("twice({})", self.column(kind, scope)),
            (11, Number) => format!("pay_of({})", self.column(kind, scope)),
            (8, Text) => format!("concat({}, '-')", self.value(size, kind, scope, 0)),
            (9, Text) => format!("upper({})", self.value(size, kind, scope, 0)),
            (10, Text) => format!("substr({}, 1, 2)", self.value(size, kind, scope, 0)),
            (11, Text) => format!("CAST({} AS STRING)", self.column(Number, scope)),
            (12, Text) => "current_user()".to_owned(),
            _ => self.literal(kind),
        }
    }

    fn condition(&mut self, size: usize, scope: &[Relation], depth: usize) -> String {
        if size == 0 {
            return self.comparison(0, scope, depth);
        }
        match self.below(9) {
            5 => format!(
                "({} AND {})",
                self.condition(size - 1, scope, depth),
                self.condition(size - 1, scope, 0)
            ),
            6 => format!(
                "({} OR {})",
                self.condition(size - 1, scope, depth),
                self.condition(size - 1, scope, 0)
            ),
            7 => format!("NOT ({})", self.condition(size - 1, scope, 0)),
            8 if depth > 0 => self.subquery(scope, depth, true),
            _ => self.comparison(1, scope, depth),
        }
    }

    /// TRUE, FALSE or NULL. Rows of values are compared in conditions only.
    fn subquery(&mut self, scope: &[Relation], depth: usize, rows: bool) -> String {
        let not = if self.once_in(3) { "NOT " } else { "" };
        if self.once_in(2) {
            let kind = self.one_of(&[Number, Text]);
            let value = self.column(kind, scope);
            if rows && self.once_in(4) {
                let more = self.kind();
                let row = format!("({value}, {})", self.column(more, scope));
                return format!("{row} {not}IN ({})", self.select(depth - 1, &[], &[kind, more]));
            }
            return format!("{value} {not}IN ({})", self.select(depth - 1, &[], &[kind]));
        }
        let alias = self.alias();
        let (name, columns) = self.one_of(&SOURCES[..5]);
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let on = self.joined(&with(scope, &Relation { alias: alias.clone(), columns }));
        format!("{not}EXISTS (SELECT 1 FROM {name} {alias} WHERE {on})")
    }

    /// Among them what fails on values that only analysts meet, and only there.
    fn comparison(&mut self, size: usize, scope: &[Relation], depth: usize) -> String {
        match self.below(13) {
            0 | 1 => {
                let kind = self.kind();
                let how = self.one_of(&["=", "<", ">=", "<>", "<=>"]);
                format!("{} {how} {}", self.column(kind, scope), self.literal(kind))
            }
            2 => {
                let kind = self.kind();
                let how = self.one_of(&["=", "<", "<>"]);
                let left = self.value(size, kind, scope, depth);
                format!("{left} {how} {}", self.value(size, kind, scope, 0))
            }
            3 => {
                let kind = self.kind();
                let not = if self.once_in(2) { "NOT " } else { "" };
                format!("{} IS {not}NULL", self.value(size, kind, scope, depth))
            }
            4 => {
                let kind = self.kind();
                let not = if self.once_in(3) { "NOT " } else { "" };
                let list = [self.literal(kind), self.literal(kind), self.literal(kind)].join(", ");
                format!("{} {not}IN ({list})", self.column(kind, scope))
            }
            5 => format!(
                "{} LIKE '{}'",
                self.value(size, Text, scope, 0),
                self.one_of(&["%a%", "canary%", "_", "%-2"])
            ),
            6 => {
                let (low, high) = (self.literal(Number), self.literal(Number));
                format!("{} BETWEEN {low} AND {high}", self.column(Number, scope))
            }
            7 => {
                format!("1 / ({} - 777) < 5", self.base(&["salary", "amount", "id", "staff"], Number, scope))
            }
            8 => {
                format!("5 % ({} - 777) >= 0", self.base(&["salary", "amount", "id", "boss"], Number, scope))
            }
            9 => format!("CAST({} AS INT) >= 0", self.base(&["email", "note"], Text, scope)),
            10 => format!("({} = 1) IS NOT TRUE", self.column(Number, scope)),
            11 => format!("CAST(concat('1', {}) AS BIGINT) > 0", self.base(&["email", "note"], Text, scope)),
            _ => {
                let kind = self.one_of(&[Number, Text]);
                format!("{} = {}", self.column(kind, scope), self.column(kind, scope))
            }
        }
    }

    /// A column of these names: what it holds for those who are no analysts is known. A literal if there is none.
    fn base(&mut self, names: &[&str], kind: Kind, scope: &[Relation]) -> String {
        let mut all = Vec::new();
        for relation in scope {
            for (name, _) in &relation.columns {
                if names.contains(&name.as_str()) {
                    all.push(format!("{}.{name}", relation.alias));
                }
            }
        }
        if !all.is_empty() {
            return self.one_of(&all);
        }
        if kind == Text { "'1'".to_owned() } else { "1".to_owned() }
    }
}

fn with(scope: &[Relation], inside: &Relation) -> Vec<Relation> {
    let mut all = scope.to_vec();
    all.push(inside.clone());
    all
}

fn named(kinds: &[Kind]) -> Vec<(String, Kind)> {
    kinds.iter().enumerate().map(|(at, kind)| (format!("k{at}"), *kind)).collect()
}
