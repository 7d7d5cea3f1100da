//! Ends what an ended worker left behind: processes that its agent started and moved out of its group.
//!
//! A group is killed as a whole, but a process may leave it (`setsid`, as daemons do). It cannot so easily leave its
//! environment: `SERVING_CREDENTIALS_DIR` names this one worker's folder, and the kernel remembers what a process was
//! started with. Only Linux shows it; elsewhere the group is all that is ended.

use std::path::Path;

/// Ends every process that was started with the `credentials` folder of a worker that has ended.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end_remains(_credentials: &Path) {}

/// Ends every process that was started with the `credentials` folder of a worker that has ended.
#[cfg(target_os = "linux")]
pub(crate) fn end_remains(credentials: &Path) {
    use std::os::unix::ffi::OsStrExt;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let mut mark = b"SERVING_CREDENTIALS_DIR=".to_vec();
    mark.extend_from_slice(credentials.as_os_str().as_bytes());
    // A process may start another one while the list is read.
    for _ in 0..10 {
        let mut found = false;
        let Ok(processes) = std::fs::read_dir("/proc") else { return };
        for entry in processes.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            // Of other users' processes and of zombies there is nothing to read.
            let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark) {
                found = true;
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        if !found {
            return;
        }
    }
}
