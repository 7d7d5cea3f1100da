//! What a process that runs other people's code may not open: brickyard's own folder.
//!
//! Agents and Python functions run as the user who runs brickyard, and that user may read the journal, the master key,
//! the managed tables past every row filter, and the tokens of other agents. So the thread that starts such a process
//! gives up what is in that folder first; its children inherit that, and nobody can take it back (Landlock, without root).
//!
//! Landlock only knows what stays open. Beside each step of the way from `/` to the closed folder everything that is
//! there stays open:
//!
//! ```text
//!   /            usr, etc, tmp, ...  open        what is made directly in a folder of the way later is closed too
//!   /home/ana    .cache, notes.txt   open
//!   /home/ana/p  src, .venv          open
//!   /home/ana/p/.brickyard           closed: read, write, make, remove; only names can be listed
//!       environments, run/<own>      open again, because the process needs them
//! ```
//!
//! Neither can such a process reach the memory or the open files of one that is not its descendant.

use std::path::{Path, PathBuf};

/// A folder that is to be closed, and what of it stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    closed: PathBuf,
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
}

/// What became of [`Sandbox::enter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// The folder is closed to this thread and to every process that it starts.
    Closed,
    /// Nothing is closed: the way to the folder leads through one where everybody writes, such as `/tmp`, and an agent
    /// that writes there as it may anywhere could not read it again.
    InSharedFolder(PathBuf),
    /// Nothing is closed: the operating system has no Landlock (Linux 5.19).
    Unsupported,
}

/// The operating system has Landlock, and did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be closed to agents: {reason}", closed.display())]
pub struct SandboxError {
    closed: PathBuf,
    reason: String,
}

impl Sandbox {
    /// `closed` is a folder that is there.
    pub fn around(closed: impl Into<PathBuf>) -> Self {
        Self { closed: closed.into(), readable: Vec::new(), writable: Vec::new() }
    }

    /// Leaves `path` open for reading, and all that is or will be below it.
    #[must_use]
    pub fn may_read(mut self, path: impl Into<PathBuf>) -> Self {
        self.readable.push(path.into());
        self
    }

    /// Leaves `path` open, and all that is or will be below it.
    #[must_use]
    pub fn may_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writable.push(path.into());
        self
    }

    /// Closes the folder to the calling thread and to every process that it starts from now on. There is no way back.
    ///
    /// # Errors
    /// If the folder's path cannot be read, or the kernel refuses. Nothing should be started then.
    pub fn enter(&self) -> Result<Entered, SandboxError> {
        let failed = |reason: &dyn std::fmt::Display| SandboxError {
            closed: self.closed.clone(),
            reason: reason.to_string(),
        };
        let closed = self.closed.canonicalize().map_err(|error| failed(&error))?;
        if let Some(shared) = shared_folder_above(&closed) {
            return Ok(Entered::InSharedFolder(shared.to_owned()));
        }
        let beside = beside(&closed).map_err(|error| failed(&error))?;
        // What is not below the closed folder stands beside it, or is a folder of the way: that would open it all.
        let below = |paths: &[PathBuf]| -> Vec<PathBuf> {
            let real = paths.iter().filter_map(|path| path.canonicalize().ok());
            real.filter(|path| path.starts_with(&closed) && *path != closed).collect()
        };
        close(&beside, &below(&self.readable), &below(&self.writable)).map_err(|error| failed(&error))
    }
}

/// The first folder above `path` that everybody writes in.
fn shared_folder_above(path: &Path) -> Option<&Path> {
    use std::os::unix::fs::MetadataExt;
    path.ancestors().skip(1).find(|above| above.metadata().is_ok_and(|found| found.mode() & 0o002 != 0))
}

/// All that stands beside the folders of the way to `path`. Links are left out: what they lead to counts, not they.
fn beside(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut below = path;
    for above in path.ancestors().skip(1) {
        for entry in above.read_dir()? {
            let entry = entry?;
            // One that is gone by now needs no rule.
            if entry.path() != below && entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                found.push(entry.path());
            }
        }
        below = above;
    }
    Ok(found)
}

#[cfg(not(target_os = "linux"))]
fn close(_beside: &[PathBuf], _readable: &[PathBuf], _writable: &[PathBuf]) -> std::io::Result<Entered> {
    Ok(Entered::Unsupported)
}

#[cfg(target_os = "linux")]
fn close(
    beside: &[PathBuf],
    readable: &[PathBuf],
    writable: &[PathBuf],
) -> Result<Entered, landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus, path_beneath_rules,
    };

    // Names may be listed and what cannot be read may be run: modules are found by listing the folders above a project.
    let all = AccessFs::from_all(ABI::V2) & !AccessFs::Execute & !AccessFs::ReadDir;
    // Without `Refer`, of the second version, moving a file from one folder to another would be refused everywhere.
    let strict = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all);
    let Ok(ruleset) = strict else { return Ok(Entered::Unsupported) };
    let status = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::Truncate)?
        .create()?
        .add_rules(path_beneath_rules(beside, all | AccessFs::Truncate))?
        .add_rules(path_beneath_rules(writable, all | AccessFs::Truncate))?
        .add_rules(path_beneath_rules(readable, AccessFs::ReadFile))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::NotEnforced => Entered::Unsupported,
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Entered::Closed,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A folder whose way does not lead through `/tmp`.
    fn project() -> tempfile::TempDir {
        let built = std::env::current_exe().expect("a path");
        tempfile::TempDir::new_in(built.parent().expect("a folder")).expect("a folder")
    }

    /// Runs `script` as a child of a thread that has entered `sandbox`; `None` where that closes nothing.
    fn run_in(sandbox: Sandbox, script: String) -> Option<(bool, String)> {
        let run = move || {
            if sandbox.enter().expect("entered") != Entered::Closed {
                return None;
            }
            let output = Command::new("sh").args(["-c", &script]).output().expect("sh");
            Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
        };
        std::thread::spawn(run).join().expect("no panic")
    }

    #[test]
    fn what_is_closed_can_neither_be_read_nor_written_nor_removed_and_all_else_can() {
        let project = project();
        let closed = project.path().join("closed");
        for folder in ["closed/own", "closed/shared", "closed/other", "beside"] {
            std::fs::create_dir_all(project.path().join(folder)).expect("made");
        }
        for file in ["closed/key", "closed/shared/module", "closed/other/token", "beside/notes"] {
            std::fs::write(project.path().join(file), "text").expect("written");
        }
        let sandbox = Sandbox::around(&closed).may_read(closed.join("shared")).may_write(closed.join("own"));
        let root = project.path().display().to_string();
        let closed_to = [
            "cat closed/key",
            "cat closed/other/token",
            "echo x >> closed/key",
            "echo x > closed/new",
            "rm closed/key",
            "mv closed/key beside/key",
            "ln closed/key beside/key",
            "echo x >> closed/shared/module",
            "mkdir closed/folder",
            "ls /proc/$PPID/root/",
        ];
        let open_to = [
            "cat closed/shared/module beside/notes /etc/passwd",
            "echo x > closed/own/a && cat closed/own/a && mkdir closed/own/b && mv closed/own/a closed/own/b/a",
            "echo x > beside/new && cat beside/new && rm beside/new",
            "ls . closed > /dev/null",
            "mv beside/notes closed/own/notes && mv closed/own/notes beside/notes",
            "cat /proc/self/environ > /dev/null",
        ];
        let scripts = closed_to.iter().map(|script| (script, false));
        for (script, works) in scripts.chain(open_to.iter().map(|script| (script, true))) {
            let Some((worked, said)) = run_in(sandbox.clone(), format!("cd '{root}' && {script}")) else {
                eprintln!("no Landlock here: nothing was tried");
                return;
            };
            assert_eq!(worked, works, "{script}: {said}");
        }
        assert_eq!(std::fs::read_to_string(closed.join("key")).expect("still there"), "text");
    }

    #[test]
    fn a_link_beside_the_way_opens_nothing() {
        let project = project();
        let closed = project.path().join("closed");
        std::fs::create_dir(&closed).expect("made");
        std::fs::write(closed.join("key"), "text").expect("written");
        std::os::unix::fs::symlink(&closed, project.path().join("link")).expect("linked");
        let script = format!("cat '{}/link/key'", project.path().display());
        let Some((worked, said)) = run_in(Sandbox::around(&closed), script) else { return };
        assert!(!worked, "{said}");
    }

    #[test]
    fn to_leave_a_folder_above_open_opens_nothing_below() {
        let project = project();
        let closed = project.path().join("closed");
        std::fs::create_dir(&closed).expect("made");
        std::fs::write(closed.join("key"), "text").expect("written");
        let sandbox = Sandbox::around(&closed).may_read(project.path()).may_write(&closed);
        let Some((worked, said)) = run_in(sandbox, format!("cat '{}/key'", closed.display())) else { return };
        assert!(!worked, "{said}");
    }

    #[test]
    fn a_folder_in_a_shared_one_is_not_closed_and_it_says_which_one() {
        let dir = tempfile::TempDir::new_in("/tmp").expect("a folder");
        let entered = std::thread::spawn({
            let sandbox = Sandbox::around(dir.path());
            move || sandbox.enter().expect("entered")
        });
        assert_eq!(entered.join().expect("no panic"), Entered::InSharedFolder("/tmp".into()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let error = Sandbox::around("/nowhere/at/all").enter().expect_err("not there");
        assert!(error.to_string().starts_with("/nowhere/at/all cannot be closed to agents: "), "{error}");
    }
}
