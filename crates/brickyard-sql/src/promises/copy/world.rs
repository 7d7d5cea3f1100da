//! Two worlds with the same names: in the schema `policed` the tables have row filters and masks; in a schema for each
//! person lies what that person is meant to see, computed here from the plain rows, not by the policies' code.

use std::fmt::Write as _;

use brickyard_types::{Principal, ScopeSet, SignedDuration};

use crate::promises::workspace::Workspace;
use crate::{Session, Speaker};

/// Texts that nobody but an analyst may ever meet, whatever is asked.
pub const CANARIES: &[&str] = &["777", "canary"];

struct Staff {
    id: i64,
    dept: Option<&'static str>,
    boss: Option<i64>,
    salary: Option<i32>,
    email: Option<&'static str>,
    joined: &'static str,
}

struct Order {
    id: i64,
    staff: Option<i64>,
    region: Option<&'static str>,
    amount: i32,
    note: Option<&'static str>,
}

const fn staff(
    id: i64,
    dept: Option<&'static str>,
    boss: Option<i64>,
    salary: Option<i32>,
    email: Option<&'static str>,
    joined: &'static str,
) -> Staff {
    Staff { id, dept, boss, salary, email, joined }
}

const fn order(
    id: i64,
    staff: Option<i64>,
    region: Option<&'static str>,
    amount: i32,
    note: Option<&'static str>,
) -> Order {
    Order { id, staff, region, amount, note }
}

/// What only analysts see has the value 777, or a text that is no number.
const STAFF: &[Staff] = &[
    staff(1, Some("eng"), None, Some(777), Some("11"), "2020-01-01"),
    staff(2, Some("eng"), Some(1), Some(777), Some("canary-2"), "2021-02-03"),
    staff(3, Some("eng"), Some(1), None, Some("13"), "2021-02-03"),
    staff(4, Some("ops"), Some(2), Some(777), Some("ana@x"), "2022-05-06"),
    staff(5, Some("ops"), Some(4), Some(40), Some("canary-5"), "2022-05-06"),
    staff(777, Some("ops"), Some(777), Some(777), Some("canary-6"), "2019-09-09"),
    staff(7, None, None, Some(777), Some("canary-7"), "1999-12-31"),
    staff(8, Some("canary"), Some(3), Some(8), None, "2023-03-03"),
];

const ORDERS: &[Order] = &[
    order(1, Some(1), Some("EMEA"), 10, Some("21")),
    order(2, Some(1), Some("EMEA"), 20, None),
    order(3, Some(2), Some("AMER"), 777, Some("canary")),
    order(4, Some(3), Some("AMER"), 30, Some("canary-o4")),
    order(5, Some(4), Some("APAC"), 777, Some("canary-o5")),
    order(777, Some(777), Some("APAC"), 777, Some("canary-o6")),
    order(7, None, None, 777, Some("canary-o7")),
    order(8, Some(9), Some("EMEA"), 10, Some("24")),
    order(9, Some(2), Some("AMER"), 50, Some("canary")),
];

const PLAIN: &[(i32, &str)] = &[(1, "eng"), (2, "ops"), (3, "EMEA"), (4, "AMER"), (1, "redacted")];

/// Who sees which regions, by a table of who may: the filter of `orders`.
const REGIONS: &[(&str, &str)] = &[
    ("ana@x", "EMEA"),
    ("ana@x", "AMER"),
    ("bob@x", "EMEA"),
    ("bob@x", "AMER"),
    ("bob@x", "APAC"),
    ("cid@x", "EMEA"),
];

const TABLES: &[&str] = &["staff", "orders", "plain"];

pub struct World {
    pub workspace: Workspace,
    /// Of each person: a session over the policed tables, and one over that person's copies.
    pub people: Vec<(Principal, Session, Session)>,
}

const POLICIES: &str = "
    CREATE CATALOG main;
    CREATE SCHEMA main.policed;
    CREATE SCHEMA main.private;
    CREATE TABLE main.private.regions (who STRING, region STRING);
    CREATE FUNCTION main.private.sees_staff(dept STRING, mail STRING) RETURNS BOOLEAN
        RETURN is_account_group_member('analysts') OR dept = 'eng' OR mail = current_user();
    CREATE FUNCTION main.private.sees_order(region STRING) RETURNS BOOLEAN RETURN EXISTS (
        SELECT 1 FROM main.private.regions r WHERE r.who = current_user() AND r.region = sees_order.region);
    CREATE FUNCTION main.private.no_salary(salary INT) RETURNS INT
        RETURN IF(is_account_group_member('analysts'), salary, NULL);
    CREATE FUNCTION main.private.some_mail(mail STRING, dept STRING, joined DATE) RETURNS STRING RETURN CASE
        WHEN is_account_group_member('analysts') THEN mail WHEN mail = current_user() THEN '1'
        WHEN dept = 'eng' AND joined < DATE'2021-01-01' THEN concat('9', mail) ELSE '0' END;
    CREATE FUNCTION main.private.some_note(note STRING) RETURNS STRING
        RETURN CASE WHEN is_account_group_member('analysts') THEN note ELSE '5' END;
    CREATE FUNCTION main.private.some_amount(amount INT, region STRING) RETURNS INT
        RETURN CASE WHEN is_account_group_member('analysts') OR region = 'EMEA' THEN amount ELSE -1 END;
";

const ATTACH: &str = "
    ALTER TABLE main.policed.staff SET ROW FILTER main.private.sees_staff ON (dept, email);
    ALTER TABLE main.policed.staff ALTER COLUMN salary SET MASK main.private.no_salary;
    ALTER TABLE main.policed.staff ALTER COLUMN email SET MASK main.private.some_mail USING COLUMNS (dept, joined);
    ALTER TABLE main.policed.orders SET ROW FILTER main.private.sees_order ON (region);
    ALTER TABLE main.policed.orders ALTER COLUMN note SET MASK main.private.some_note;
    ALTER TABLE main.policed.orders ALTER COLUMN amount SET MASK main.private.some_amount USING COLUMNS (region);
";

/// In both worlds, over the tables of that world.
const OVER: &str = "
    CREATE VIEW main.{s}.engineers AS SELECT id, email, salary, dept FROM main.{s}.staff WHERE dept = 'eng';
    CREATE VIEW main.{s}.totals AS SELECT s.dept, count(*) AS n, sum(o.amount) AS total
        FROM main.{s}.staff s LEFT JOIN main.{s}.orders o ON o.staff = s.id GROUP BY s.dept;
    CREATE VIEW main.{s}.seniors AS SELECT * FROM main.{s}.engineers WHERE salary IS NULL OR salary > 10;
    CREATE FUNCTION main.{s}.of_region(which STRING) RETURNS TABLE (id BIGINT, amount INT, note STRING) RETURN
        SELECT o.id, o.amount, o.note FROM main.{s}.orders o WHERE o.region = of_region.which;
    CREATE FUNCTION main.{s}.pay_of(who BIGINT) RETURNS INT RETURN (
        SELECT max(s.salary) FROM main.{s}.staff s WHERE s.id = pay_of.who);
    CREATE FUNCTION main.{s}.twice(x BIGINT) RETURNS BIGINT RETURN x + x;
    GRANT USE SCHEMA, SELECT, EXECUTE, CREATE TABLE ON SCHEMA main.{s} TO `account users`;
";

impl World {
    /// `in_memory` reads each table's files only once.
    pub async fn new(in_memory: bool) -> Self {
        let workspace = Workspace::empty().await;
        let cid = workspace.user("cid@x").await;
        workspace.set_up(POLICIES).await;
        let regions: Vec<_> = REGIONS.iter().map(|(who, region)| format!("('{who}', '{region}')")).collect();
        workspace.set_up(&format!("INSERT INTO main.private.regions VALUES {}", regions.join(", "))).await;
        fill(&workspace, "policed", STAFF.iter().map(staff_row), ORDERS.iter().map(order_row)).await;
        workspace.set_up(ATTACH).await;
        workspace.set_up("GRANT USE CATALOG ON CATALOG main TO `account users`").await;
        workspace.set_up(&OVER.replace("{s}", "policed")).await;
        if in_memory {
            workspace.keep_in_memory("main.private.regions").await;
            for table in TABLES {
                workspace.keep_in_memory(&format!("main.policed.{table}")).await;
            }
        }
        let mut people = Vec::new();
        for who in [workspace.ana.clone(), workspace.bob.clone(), cid] {
            let name = who.name.to_string();
            let analyst = name == "bob@x";
            let schema = format!("copy_{}", &name[..3]);
            workspace.set_up(&format!("CREATE SCHEMA main.{schema}")).await;
            let seen = STAFF.iter().filter(|row| sees_staff(row, &name, analyst));
            let staff = seen.map(|row| staff_row(&masked_staff(row, &name, analyst))).collect::<Vec<_>>();
            let seen = ORDERS.iter().filter(|row| sees_order(row, &name));
            let orders = seen.map(|row| order_row(&masked_order(row, analyst))).collect::<Vec<_>>();
            fill(&workspace, &schema, staff.into_iter(), orders.into_iter()).await;
            workspace.set_up(&OVER.replace("{s}", &schema)).await;
            let session = |schema: &str| {
                let scopes = ScopeSet::parse("all-apis").unwrap();
                let minted = workspace.catalog.identity().mint(&who, scopes, SignedDuration::from_hours(9));
                let speaker = Speaker::Caller(minted.unwrap().caller);
                Session::new(speaker, Some("main".to_owned()), Some(schema.to_owned()))
            };
            if in_memory {
                for table in TABLES {
                    workspace.keep_in_memory(&format!("main.{schema}.{table}")).await;
                }
            }
            people.push((who.clone(), session("policed"), session(&schema)));
        }
        Self { workspace, people }
    }
}

fn sees_staff(row: &Staff, who: &str, analyst: bool) -> bool {
    analyst || row.dept == Some("eng") || row.email == Some(who)
}

fn sees_order(row: &Order, who: &str) -> bool {
    REGIONS.iter().any(|(one, region)| *one == who && row.region == Some(region))
}

fn masked_staff(row: &Staff, who: &str, analyst: bool) -> Staff {
    let email = match row.email {
        mail if analyst => mail,
        mail if mail == Some(who) => Some("1"),
        mail if row.dept == Some("eng") && row.joined < "2021-01-01" => {
            mail.map(|mail| &*Box::leak(format!("9{mail}").into_boxed_str()))
        }
        _ => Some("0"),
    };
    Staff { salary: row.salary.filter(|_| analyst), email, ..*row }
}

fn masked_order(row: &Order, analyst: bool) -> Order {
    let amount = if analyst || row.region == Some("EMEA") { row.amount } else { -1 };
    Order { amount, note: if analyst { row.note } else { Some("5") }, ..*row }
}

fn text(value: Option<&str>) -> String {
    value.map_or("NULL".to_owned(), |value| format!("'{value}'"))
}

fn number(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

fn staff_row(row: &Staff) -> String {
    let Staff { id, dept, boss, salary, email, joined } = row;
    let (dept, boss, email) = (text(*dept), number(*boss), text(*email));
    format!("({id}, {dept}, {boss}, {}, {email}, DATE'{joined}')", number(salary.map(i64::from)))
}

fn order_row(row: &Order) -> String {
    let Order { id, staff, region, amount, note } = row;
    format!("({id}, {}, {}, {amount}, {})", number(*staff), text(*region), text(*note))
}

async fn fill(
    workspace: &Workspace,
    schema: &str,
    staff: impl Iterator<Item = String>,
    orders: impl Iterator<Item = String>,
) {
    let mut script = format!(
        "CREATE TABLE main.{schema}.staff (id BIGINT, dept STRING, boss BIGINT, salary INT, email STRING, joined DATE);
         CREATE TABLE main.{schema}.orders (id BIGINT, staff BIGINT, region STRING, amount INT, note STRING);
         CREATE TABLE main.{schema}.plain (k INT, name STRING);"
    );
    let plain: Vec<_> = PLAIN.iter().map(|(k, name)| format!("({k}, '{name}')")).collect();
    for (table, rows) in [("staff", staff.collect()), ("orders", orders.collect()), ("plain", plain)] {
        let _ = write!(script, "INSERT INTO main.{schema}.{table} VALUES {};", rows.join(", "));
    }
    workspace.set_up(&script).await;
}
