//! The arguments of the six commands, and what they become.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use brickyard_types::{EndpointName, ScopeSet};
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::Failure;
use crate::config::{Environment, parse_duration};

/// Where state lives unless it is said.
const DATA_DIR: &str = ".brickyard";

/// A local, enforcing stand-in for Databricks Model Serving for agents.
#[derive(Debug, Parser)]
#[command(name = "brickyard", version, arg_required_else_help = true, subcommand_required = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the workspace of the configuration
    Serve(Serve),
    /// Parse everything, resolve every reference, bind nothing
    Check(Check),
    /// Judge one logged model before it is deployed
    Doctor(Doctor),
    /// Print a token from the running server
    Token(Token),
    /// Say why a request was allowed or refused
    Explain(Explain),
    /// Call an endpoint once: the answer, and its identity tree
    Invoke(Invoke),
}

/// Brickyard's own news. The libraries below it speak of every file that they open.
pub const DEFAULT_LOG: &str = "warn,brickyard=info";

/// How lines are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub config: ConfigPaths,
    /// Address to listen on
    #[arg(long, env = "BRICKYARD_LISTEN", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Folder of the state [default: .brickyard]
    #[arg(long, env = "BRICKYARD_DATA_DIR", value_name = "PATH")]
    pub data_dir: Option<PathBuf>,
    /// Keep no state
    #[arg(long, env = "BRICKYARD_EPHEMERAL", value_parser = BoolishValueParser::new())]
    pub ephemeral: bool,
    /// An interpreter for all agents, instead of an environment built for each
    #[arg(long, env = "BRICKYARD_PYTHON", value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// How to log
    #[arg(long, env = "BRICKYARD_LOG_FORMAT", value_enum, default_value = "human")]
    pub log_format: LogFormat,
    /// What to log: a level, or a filter such as brickyard=debug,warn
    #[arg(long, env = "BRICKYARD_LOG", default_value = DEFAULT_LOG, value_name = "FILTER")]
    pub log: String,
}

#[derive(Debug, Args)]
pub(super) struct ConfigPaths {
    /// A YAML file, or a folder of them; may be repeated (in the variable: with `:` between) [default: config/, if there]
    #[arg(long = "config", env = "BRICKYARD_CONFIG", value_name = "PATH", value_delimiter = ':')]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub config: ConfigPaths,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Folder of the logged model: the one with the MLmodel
    pub model_dir: PathBuf,
    #[command(flatten)]
    pub config: ConfigPaths,
}

/// Which server a client command speaks to, and as whom.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// URL of the server [default: DATABRICKS_HOST, the local server's, http://127.0.0.1:8080]
    #[arg(long, env = "BRICKYARD_HOST", value_name = "URL")]
    pub host: Option<String>,
    /// A token; an administrator's for most commands [default: DATABRICKS_TOKEN, the local server's]
    #[arg(long, env = "BRICKYARD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Folder of the local server's state, where it leaves a token for this command
    #[arg(long, env = "BRICKYARD_DATA_DIR", default_value = DATA_DIR, value_name = "PATH")]
    pub data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// The principal: a user name or an application id
    #[arg(long = "as", env = "BRICKYARD_AS", value_name = "NAME")]
    pub principal: String,
    /// API scopes, with spaces between [default: all-apis]
    #[arg(long, env = "BRICKYARD_SCOPES", value_parser = ScopeSet::parse)]
    pub scopes: Option<ScopeSet>,
    /// How long the token lives, such as 1h, 30m or 90s
    #[arg(long, env = "BRICKYARD_TTL", value_parser = duration)]
    pub ttl: Option<String>,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The x-request-id of the response
    #[arg(value_parser = request_id)]
    pub request_id: String,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub(super) struct Invoke {
    /// The endpoint's name
    pub endpoint: EndpointName,
    /// The request: a JSON object as it is, or text for the endpoint's task to wrap
    #[arg(value_name = "JSON or text")]
    pub request: String,
    /// Call as this principal: a user name or an application id
    #[arg(long = "as", env = "BRICKYARD_AS", value_name = "NAME")]
    pub principal: Option<String>,
    /// Print the answer as it comes
    #[arg(long, env = "BRICKYARD_STREAM", value_parser = BoolishValueParser::new())]
    pub stream: bool,
    #[command(flatten)]
    pub server: Server,
}

/// Where the state of a workspace lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatePlace {
    /// In a folder.
    Folder(PathBuf),
    /// Nowhere: it ends with the process.
    Memory,
}

/// What `brickyard serve` was asked.
#[derive(Clone)]
pub struct ServeOptions {
    /// `--config`, for [`crate::config::load`].
    pub config: Vec<PathBuf>,
    /// `--listen`.
    pub listen: SocketAddr,
    /// `--data-dir` or `--ephemeral`.
    pub state: StatePlace,
    /// `--python`.
    pub python: Option<PathBuf>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// `--log`, a filter.
    pub log: String,
    /// The process' environment.
    pub environment: Arc<dyn Environment>,
}

/// What `brickyard doctor` was asked.
#[derive(Clone)]
pub struct DoctorOptions {
    /// The folder with the `MLmodel`.
    pub model_dir: PathBuf,
    /// `--config`, for [`crate::config::load`].
    pub config: Vec<PathBuf>,
    /// The process' environment.
    pub environment: Arc<dyn Environment>,
}

impl Serve {
    /// # Errors
    /// If the flags contradict each other.
    pub(super) fn options(self, environment: Arc<dyn Environment>) -> Result<ServeOptions, Failure> {
        let state = match (self.ephemeral, self.data_dir) {
            (true, Some(_)) => {
                return Err(Failure::Usage(
                    "--ephemeral keeps no state, and --data-dir (or BRICKYARD_DATA_DIR) says where; give one of them".to_owned(),
                ));
            }
            (true, None) => StatePlace::Memory,
            (false, folder) => StatePlace::Folder(folder.unwrap_or_else(|| DATA_DIR.into())),
        };
        Ok(ServeOptions {
            config: self.config.paths,
            listen: self.listen,
            state,
            python: self.python,
            log_format: self.log_format,
            log: self.log,
            environment,
        })
    }
}

impl Doctor {
    pub(super) fn options(self, environment: Arc<dyn Environment>) -> DoctorOptions {
        DoctorOptions { model_dir: self.model_dir, config: self.config.paths, environment }
    }
}

/// `ADDRESS:PORT`, `localhost:PORT` or `:PORT`; the last two are loopback.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'));
    let address = match port {
        Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| "an address and a port such as 127.0.0.1:8080 or 0.0.0.0:8080 is needed".to_owned())
}

/// Checked here, sent as it was written.
fn duration(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn request_id(text: &str) -> Result<String, String> {
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if word && (1..=128).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("the x-request-id header of a response is needed".to_owned())
    }
}
