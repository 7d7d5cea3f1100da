//! `brickyard doctor MODEL_DIR`: judges one logged model before it is deployed.

use std::io::Write;

use super::{DoctorOptions, Failure};
use crate::config;

/// Prints the report; fails if something of the model will be refused.
///
/// # Errors
/// If the model or the configuration cannot be read, or if something will be refused.
pub fn run(options: &DoctorOptions, out: &mut dyn Write) -> Result<(), Failure> {
    let config = if options.config.is_empty() { None } else { Some(config::load(&options.config, &*options.environment)?) };
    let report = crate::doctor::examine(&options.model_dir, config.as_ref()).map_err(|error| Failure::Usage(error.to_string()))?;
    write!(out, "{report}")?;
    if report.sound() { Ok(()) } else { Err(Failure::Failed("something of this model will be refused; the report says what".to_owned())) }
}
