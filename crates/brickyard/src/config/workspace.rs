//! `workspace:`: who it is, who runs it, how long its tokens live, and which profile of limits it follows.

use brickyard_identity::SigningAlgorithm;
use brickyard_types::{SignedDuration, UserName, WorkspaceId};

use super::fields::Fields;
use super::node::Node;
use super::problem::{Problems, shown};
use crate::profile::Profile;

/// The workspace id of a configuration that gives none (and of `interface.md`'s example).
const DEFAULT_ID: u64 = 1_234_567_890_123_456;

/// Lifetimes and the signature of the tokens that the workspace issues.
#[derive(Debug, Clone)]
pub struct TokensConfig {
    /// Of access tokens from `/oidc/v1/token`.
    pub access_token_ttl: SignedDuration,
    /// Of the system tokens that agents are given; at least 10 minutes, since they rotate at half life and a
    /// rotated-out one must stay valid for 5.
    pub passthrough_ttl: SignedDuration,
    /// The signature.
    pub signing_algorithm: SigningAlgorithm,
}

/// The workspace itself.
#[derive(Debug, Clone)]
pub struct WorkspaceConfig {
    /// The numeric id.
    pub id: WorkspaceId,
    /// Scheme and authority without a slash at the end; `None`: the listen address.
    pub host: Option<String>,
    /// The administrators. Each is also in [`super::Config::users`].
    pub admins: Vec<UserName>,
    /// Tokens.
    pub tokens: TokensConfig,
    /// Limits and texts.
    pub profile: &'static Profile,
    /// Whether an endpoint with a credential in plain text is refused.
    pub refuse_plaintext_credentials: bool,
    /// Whether an endpoint that asks for an inference table is refused: there is none here, and nothing would be in it.
    pub refuse_inference_tables: bool,
    /// Whether an agent needs the scope `iam.current-user:read` to ask who its user is.
    pub strict_current_user: bool,
    /// What all running SQL statements may hold in memory together, in bytes. What needs more goes to disk, if it can.
    pub sql_memory: u64,
}

/// Less than this, and no sort or join of any use gets to its end.
const LEAST_SQL_MEMORY: u64 = 64 << 20;
/// More is a slip of the hand.
const MOST_SQL_MEMORY: u64 = 1 << 40;

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self {
            id: WorkspaceId(DEFAULT_ID),
            host: None,
            admins: Vec::new(),
            tokens: TokensConfig {
                access_token_ttl: documented_life(Profile::newest()),
                passthrough_ttl: SignedDuration::from_hours(1),
                signing_algorithm: SigningAlgorithm::Es256,
            },
            profile: Profile::newest(),
            refuse_plaintext_credentials: true,
            refuse_inference_tables: true,
            strict_current_user: false,
            sql_memory: 1 << 30,
        }
    }
}

/// Reads the section; whatever is absent or wrong keeps its default.
pub(super) fn read(node: Option<&Node>, problems: &Problems) -> WorkspaceConfig {
    const KNOWN: [&str; 9] = [
        "id",
        "host",
        "admins",
        "tokens",
        "profile",
        "refuse_plaintext_credentials",
        "refuse_inference_tables",
        "strict_current_user",
        "sql_memory",
    ];
    let mut workspace = WorkspaceConfig::default();
    let Some(fields) = node.and_then(|node| Fields::of(node, &KNOWN, problems)) else { return workspace };
    if let Some(id) = fields.text_or_number("id") {
        match id.parse::<u64>() {
            Ok(id) if id > 0 => workspace.id = WorkspaceId(id),
            _ => fields.refuse("id", format!("{} is not a workspace id: digits are needed", shown(&id))),
        }
    }
    workspace.host = fields.text("host").and_then(|host| match origin(host) {
        Ok(host) => Some(host),
        Err(reason) => {
            fields.refuse("host", reason);
            None
        }
    });
    for (place, text) in fields.texts("admins") {
        match text.parse::<UserName>() {
            Ok(name) if workspace.admins.contains(&name) => {
                problems.at(place, format!("{name} is listed twice"))
            }
            Ok(name) => workspace.admins.push(name),
            Err(error) => problems.at(place, error.to_string()),
        }
    }
    if let Some(name) = fields.text("profile") {
        match Profile::named(name) {
            Ok(profile) => workspace.profile = profile,
            Err(error) => fields.refuse("profile", error.to_string()),
        }
        workspace.tokens.access_token_ttl = documented_life(workspace.profile);
    }
    if let Some(tokens) = fields.node("tokens") {
        read_tokens(tokens, &mut workspace.tokens, problems);
    }
    if let Some(flag) = fields.flag("refuse_plaintext_credentials") {
        workspace.refuse_plaintext_credentials = flag;
    }
    if let Some(flag) = fields.flag("refuse_inference_tables") {
        workspace.refuse_inference_tables = flag;
    }
    if let Some(flag) = fields.flag("strict_current_user") {
        workspace.strict_current_user = flag;
    }
    if let Some(bytes) = fields.size_within("sql_memory", LEAST_SQL_MEMORY, MOST_SQL_MEMORY) {
        workspace.sql_memory = bytes;
    }
    workspace
}

/// How long a token lives of a configuration that does not say.
fn documented_life(profile: &Profile) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(profile.access_token_seconds.value).unwrap_or(i64::MAX))
}

fn read_tokens(node: &Node, tokens: &mut TokensConfig, problems: &Problems) {
    let Some(fields) =
        Fields::of(node, &["access_token_ttl", "passthrough_ttl", "signing_algorithm"], problems)
    else {
        return;
    };
    let day = SignedDuration::from_hours(24);
    if let Some(ttl) = fields.duration_within("access_token_ttl", SignedDuration::from_secs(1), day) {
        tokens.access_token_ttl = ttl;
    }
    if let Some(ttl) = fields.duration_within("passthrough_ttl", SignedDuration::from_mins(10), day) {
        tokens.passthrough_ttl = ttl;
    }
    let words = [
        ("ES256", SigningAlgorithm::Es256),
        ("RS256", SigningAlgorithm::Rs256),
        ("EdDSA", SigningAlgorithm::EdDsa),
    ];
    if let Some(algorithm) = fields.word("signing_algorithm", &words) {
        tokens.signing_algorithm = algorithm;
    }
}

/// `http://host[:port]` or `https://host[:port]` and nothing after it: the issuer of every token begins with it, so it
/// has one spelling.
fn origin(text: &str) -> Result<String, String> {
    let form = || format!("{} is not http://host[:port] without a path", shown(text));
    let url = reqwest::Url::parse(text).map_err(|_| form())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https")
        || !bare
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(form());
    }
    Ok(url.origin().ascii_serialization())
}
