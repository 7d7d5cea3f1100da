//! Compiled scripts, one for all entities whose rules are the same to the letter: a workspace of ten thousand endpoints
//! from one template holds its patterns once, and has them at hand whichever endpoint is asked.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use brickyard_models::{Scripted, ScriptedConfig};
use parking_lot::Mutex;

/// See the module. A script goes with its last entity.
#[derive(Default)]
pub(crate) struct Scripts(Mutex<HashMap<String, Weak<Scripted>>>);

impl Scripts {
    /// The script of these rules.
    ///
    /// # Errors
    /// If the rules cannot be understood.
    pub fn compile(&self, config: &ScriptedConfig) -> Result<Arc<Scripted>, String> {
        let rules = serde_json::to_string(config).map_err(|error| error.to_string())?;
        let mut known = self.0.lock();
        if let Some(script) = known.get(&rules).and_then(Weak::upgrade) {
            return Ok(script);
        }
        let script = Arc::new(Scripted::compile(config).map_err(|error| error.to_string())?);
        if known.len() == known.capacity() {
            // About to grow: first let go of those that nobody has any more.
            known.retain(|_, script| script.strong_count() > 0);
        }
        known.insert(rules, Arc::downgrade(&script));
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(words: &str) -> ScriptedConfig {
        serde_json::from_value(serde_json::json!({"task": "llm/v1/chat", "rules": [{"say": words}]}))
            .expect("rules")
    }

    #[test]
    fn entities_with_the_same_rules_share_one_script_and_the_last_one_takes_it_along() {
        let scripts = Scripts::default();
        let one = scripts.compile(&says("one")).expect("compiles");
        assert!(Arc::ptr_eq(&one, &scripts.compile(&says("one")).expect("compiles")));
        assert!(!Arc::ptr_eq(&one, &scripts.compile(&says("other")).expect("compiles")));
        let gone = Arc::downgrade(&one);
        drop(one);
        assert!(gone.upgrade().is_none());
        for number in 0..1000 {
            scripts.compile(&says(&number.to_string())).expect("compiles");
        }
        assert!(scripts.0.lock().len() < 10, "what nobody uses is not kept");
    }
}
