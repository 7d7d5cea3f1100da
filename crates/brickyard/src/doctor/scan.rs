//! What the agent's code looks like. A scan of its text, line by line: it knows blocks and strings, and nothing of what
//! happens when the code runs. So every finding is a hint.
//!
//! | rule | what people write |
//! |---|---|
//! | `user-client-too-early` | the user's client is built when the model loads, before there is a user |
//! | `fail-open` | an exception of the user's client leads to the endpoint's own identity |
//! | `nothing-declared` | a plain `WorkspaceClient()`, and no declared resource: no token file, and nothing answers |
//! | `undeclared-resource` | a name in the code that is not among the resources |
//! | `user-policy-missing`, `user-policy-unused` | the code and the policy disagree on whether there is a user |

use std::sync::LazyLock;

use brickyard_agents::LoggedModel;
use brickyard_catalog::declarable;
use brickyard_types::ResourceType;
use regex::Regex;

use super::source::{Line, lines};
use super::{Finding, decision};

/// A constant pattern.
pub(super) fn regex(pattern: &'static str) -> Regex {
    // A pattern that does not compile is a mistake in this source, and the tests run every one.
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{pattern}: {error}"))
}

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)+) => { $(static $name: LazyLock<Regex> = LazyLock::new(|| regex($pattern));)+ };
}

patterns! {
    // The user's client is built here.
    USER = r"credentials?_strategy\s*=\s*(ModelServingUserCredentials\s*\(|[\w.]*MODEL_SERVING_USER_CREDENTIALS\b)|\bget_user_workspace_client\s*\(";
    // The class goes by another name here.
    RENAMED = r"\bModelServingUserCredentials\s+as\s+(\w+)";
    // The class is handed on, and called where this scan does not follow.
    HANDED_ON = r"(?:[(,=\[]|\breturn\b|\byield\b)\s*ModelServingUserCredentials\s*(?:[),\]}]|$)";
    // The strategy is kept under a name.
    KEPT = r"([\w.]+)\s*=\s*ModelServingUserCredentials\s*\(";
    GIVEN = r"credentials?_strategy\s*=\s*([\w.]+)";
    // Clients that take the process' own identity unless they are told otherwise.
    CLIENT = r"\b(WorkspaceClient|ChatDatabricks|DatabricksEmbeddings|DatabricksVectorSearch|VectorSearchRetrieverTool|VectorSearchClient|DatabricksOpenAI|UCFunctionToolkit|DatabricksFunctionClient|GenieAgent|get_deploy_client)\s*\(";
    TOLD = r"\b(credentials?_strategy|token|client_id|client_secret|workspace_client|client|profile|config|personal_access_token|service_principal_client_id|service_principal_client_secret)\s*=";
    BLOCK = r"^(?:async\s+)?(def|class|try|except|if|elif|else|for|while|with|finally|match|case)\b\s*(\w*)";
    BROAD = r"^except\s*(?:\*\s*)?(?::|.*\b(?:Base)?Exception\b)";
    MAIN = r"^if\s+__name__\b";
}

static NAMED: LazyLock<[(ResourceType, Regex); 7]> = LazyLock::new(|| {
    [
        (
            ResourceType::ServingEndpoint,
            regex(
                r#"\b(?:ChatDatabricks|DatabricksEmbeddings)\s*\([^)]*?\b(?:endpoint|model)\s*=\s*["']([\w.-]+)["']"#,
            ),
        ),
        (
            ResourceType::ServingEndpoint,
            regex(r#"\bserving_endpoints\s*\.\s*query\s*\(\s*(?:name\s*=\s*)?["']([\w.-]+)["']"#),
        ),
        (ResourceType::VectorSearchIndex, regex(r#"\bindex_name\s*=\s*["']([\w.]+)["']"#)),
        (ResourceType::GenieSpace, regex(r#"\bgenie_space_id\s*=\s*["'](\w+)["']"#)),
        (ResourceType::SqlWarehouse, regex(r#"\bwarehouse_id\s*=\s*["'](\w+)["']"#)),
        (ResourceType::UcConnection, regex(r#"\.http_request\s*\(\s*(?:conn\s*=\s*)?["']([\w-]+)["']"#)),
        (ResourceType::Function, regex(r#"\bfunction_names\s*=\s*\[\s*["']([\w.]+)["']"#)),
    ]
});

/// Functions that run when the model is loaded.
const EARLY: [&str; 4] = ["__init__", "load_context", "__new__", "__post_init__"];

/// What a line stands under.
enum Block {
    Function {
        name: String,
        swallowed: bool,
    },
    Class,
    /// `if __name__ == "__main__":` does not run when the model is loaded.
    Main,
    Try {
        user: bool,
    },
    Except {
        user: bool,
        broad: bool,
        raises: bool,
    },
    Other,
}

struct Scan<'a> {
    file: &'a str,
    /// With the indent of the line that opens each.
    blocks: Vec<(usize, Block)>,
    /// The `try` that ended last, for its `except`.
    last_try: Option<(usize, bool)>,
    strategies: Vec<String>,
    users_client: Option<usize>,
    /// The class of the user's credentials is passed around: whether a client is built of it cannot be read here.
    handed_on: bool,
    own_client: Option<usize>,
    findings: &'a mut Vec<Finding>,
}

/// Scans `source`, the text of `file`.
pub(super) fn scan(model: &LoggedModel, file: &str, source: &str, findings: &mut Vec<Finding>) {
    let mut scan = Scan {
        file,
        blocks: Vec::new(),
        last_try: None,
        strategies: Vec::new(),
        users_client: None,
        handed_on: false,
        own_client: None,
        findings,
    };
    let lines = by_their_own_name(lines(source));
    for line in &lines {
        scan.line(line);
    }
    let (users_client, own_client, handed_on) = (scan.users_client, scan.own_client, scan.handed_on);
    if users_client.is_some() || !handed_on {
        policy(model, file, users_client, own_client, findings);
    }
    names(model, file, &lines, findings);
}

/// The lines with the class of the user's credentials called what it is, where an import gave it another name.
fn by_their_own_name(mut lines: Vec<Line>) -> Vec<Line> {
    let renamed: Vec<String> = lines
        .iter()
        .flat_map(|line| RENAMED.captures_iter(&line.code))
        .map(|found| found[1].to_owned())
        .collect();
    let here = renamed.iter().filter_map(|name| Regex::new(&format!(r"\b{}\b", regex::escape(name))).ok());
    for name in here {
        for line in &mut lines {
            line.code = name.replace_all(&line.code, "ModelServingUserCredentials").into_owned();
        }
    }
    lines
}

impl Scan<'_> {
    fn place(&self, line: &Line) -> String {
        format!("{}:{}", self.file, line.number)
    }

    fn line(&mut self, line: &Line) {
        while self.blocks.last().is_some_and(|(indent, _)| *indent >= line.indent) {
            self.leave();
        }
        let opens = BLOCK.captures(&line.code).map(|found| (found[1].to_owned(), found[2].to_owned()));
        let keyword = opens.as_ref().map_or("", |(keyword, _)| keyword.as_str());
        if !matches!(keyword, "except" | "else" | "finally")
            && self.last_try.is_some_and(|(indent, _)| indent >= line.indent)
        {
            self.last_try = None;
        }
        // What stands behind the colon belongs to the block; what stands in the head of a `def` does not.
        let body_follows = line.code.ends_with(':') && keyword != "except";
        if let (Some((keyword, name)), false) = (&opens, body_follows) {
            self.open(line, keyword, name);
        }
        if !self.blocks.iter().any(|(_, block)| matches!(block, Block::Main)) {
            self.look(line);
        }
        if let (Some((keyword, name)), true) = (&opens, body_follows) {
            self.open(line, keyword, name);
        }
    }

    fn open(&mut self, line: &Line, keyword: &str, name: &str) {
        let block = match keyword {
            "def" => Block::Function { name: name.to_owned(), swallowed: false },
            "class" => Block::Class,
            "try" => Block::Try { user: false },
            "except" => {
                let user = self.last_try.is_some_and(|(indent, user)| indent == line.indent && user);
                Block::Except {
                    user,
                    broad: BROAD.is_match(&line.code),
                    raises: line.code.contains(": raise"),
                }
            }
            _ if MAIN.is_match(&line.code) => Block::Main,
            _ => Block::Other,
        };
        self.blocks.push((line.indent, block));
    }

    fn leave(&mut self) {
        match self.blocks.pop() {
            Some((indent, Block::Try { user })) => self.last_try = Some((indent, user)),
            Some((_, Block::Except { user: true, broad: true, raises: false })) => {
                let function = self.blocks.iter_mut().rev().find_map(|(_, block)| match block {
                    Block::Function { swallowed, .. } => Some(swallowed),
                    _ => None,
                });
                if let Some(swallowed) = function {
                    *swallowed = true;
                }
            }
            _ => {}
        }
    }

    /// The function that the line is in; `None` at module level and in a class body.
    fn function(&self) -> Option<(&str, bool)> {
        self.blocks.iter().rev().find_map(|(_, block)| match block {
            Block::Function { name, swallowed } => Some((name.as_str(), *swallowed)),
            _ => None,
        })
    }

    fn look(&mut self, line: &Line) {
        let import = line.code.starts_with("from ") || line.code.starts_with("import ");
        self.handed_on |= !import && HANDED_ON.is_match(&line.code);
        if let Some(kept) = KEPT.captures(&line.code)
            && !USER.is_match(&line.code)
        {
            self.strategies.push(kept[1].to_owned());
        }
        let given = GIVEN
            .captures(&line.code)
            .is_some_and(|given| self.strategies.iter().any(|name| *name == given[1]));
        if USER.is_match(&line.code) || given {
            self.users_client(line);
        } else if CLIENT.is_match(&line.code) && !TOLD.is_match(&line.code) {
            self.own_client(line);
        }
        if line.code == "raise" || line.code.starts_with("raise ") {
            for (_, block) in &mut self.blocks {
                if let Block::Except { raises, .. } = block {
                    *raises = true;
                }
            }
        }
    }

    fn users_client(&mut self, line: &Line) {
        self.users_client.get_or_insert(line.number);
        for (_, block) in &mut self.blocks {
            if let Block::Try { user } = block {
                *user = true;
            }
        }
        let when = match self.function() {
            None if self.blocks.iter().any(|(_, block)| matches!(block, Block::Class)) => {
                "in a class body, when the file is loaded".to_owned()
            }
            None => "at module level, when the file is loaded".to_owned(),
            Some((name, _)) if EARLY.contains(&name) => format!("in {name}, when the model is loaded"),
            Some(_) => return,
        };
        if line.code.contains("lambda") {
            return;
        }
        self.findings.push(Finding::hint(
            "user-client-too-early",
            self.place(line),
            format!("the user's client is built {when}: there is no user yet, and ai-bridge raises \"Unable to detect credentials for user authorization\""),
            "build it inside predict or predict_stream, for each request",
        ));
    }

    fn own_client(&mut self, line: &Line) {
        self.own_client.get_or_insert(line.number);
        let caught = self.blocks.iter().any(|(_, block)| matches!(block, Block::Except { user: true, .. }));
        let swallowed = self.function().is_some_and(|(_, swallowed)| swallowed);
        if caught || swallowed {
            self.findings.push(Finding::hint(
                "fail-open",
                self.place(line),
                "when the user's client fails, this one takes its place and acts as the endpoint: the answer may hold what the user may not see",
                "let the exception out, or answer without that part; never fall back to another identity",
            ));
        }
    }
}

/// Where the code and what was declared disagree.
fn policy(
    model: &LoggedModel,
    file: &str,
    users_client: Option<usize>,
    own_client: Option<usize>,
    findings: &mut Vec<Finding>,
) {
    let policy = &model.auth_policy;
    let at = |line: usize| format!("{file}:{line}");
    let passthrough = policy.resources.iter().any(|resource| !resource.on_behalf_of_user);
    if let (Some(line), false) = (own_client, passthrough) {
        findings.push(Finding::hint(
            "nothing-declared",
            at(line),
            "a client without credentials of its own, and no resource is declared: no token file is mounted for it, and the endpoint's service principal may use nothing",
            "declare what it reaches when logging the model: resources=[DatabricksServingEndpoint(endpoint_name=\"...\"), ...]",
        ));
    }
    match (users_client, policy.user_auth) {
        (Some(line), false) => findings.push(Finding::hint(
            "user-policy-missing",
            at(line),
            "the user's client is built, but the model declares no user policy: the process gets no user token",
            "log the model with auth_policy=AuthPolicy(..., user_auth_policy=UserAuthPolicy(api_scopes=[...]))",
        )),
        (None, true) => findings.push(Finding::hint(
            "user-policy-unused",
            file,
            "the model declares a user policy, but this file builds no client with ModelServingUserCredentials",
            "build WorkspaceClient(credentials_strategy=ModelServingUserCredentials()) in predict, or drop the user policy",
        )),
        _ => {}
    }
}

/// Names in the code that are not among the resources.
fn names(model: &LoggedModel, file: &str, lines: &[Line], findings: &mut Vec<Finding>) {
    let policy = &model.auth_policy;
    let scopes = decision::scopes(policy);
    let mut seen: Vec<(ResourceType, String)> = Vec::new();
    for line in lines.iter().filter(|line| !TOLD.is_match(&line.code)) {
        for (kind, pattern) in NAMED.iter() {
            for found in pattern.captures_iter(&line.text) {
                let name = &found[1];
                let row = declarable(*kind);
                let declared =
                    policy.resources.iter().any(|resource| resource.kind == *kind && resource.name == name);
                let by_user =
                    row.on_behalf_of_user && row.user_scopes.iter().all(|scope| scopes.covers(scope));
                if declared || by_user || seen.iter().any(|(other, known)| other == kind && known == name) {
                    continue;
                }
                seen.push((*kind, name.to_owned()));
                findings.push(Finding::hint(
                    "undeclared-resource",
                    format!("{file}:{}", line.number),
                    format!("{kind} {name} is named here and not declared: PERMISSION_DENIED for the endpoint's service principal"),
                    format!("declare it when logging the model: resources=[{}]", kind.python(name)),
                ));
            }
        }
    }
}
