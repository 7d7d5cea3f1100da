//! Which process opened a connection: how the calls that an agent makes are tied to the worker that made them.
//!
//! Linux tells: `/proc/net/tcp` maps the two addresses of a connection to an inode, and `/proc/<pid>/fd` says who
//! holds it. Other systems do not, and there the answer is always `None`.

use std::net::SocketAddr;

/// The candidate (a process that leads its own group) in whose group some process holds the connection from `peer`
/// to `local`, seen from our side: `peer` is the address that called us.
#[cfg(not(target_os = "linux"))]
pub fn pid_of_local_peer(_peer: SocketAddr, _local: SocketAddr, _candidates: &[u32]) -> Option<u32> {
    None
}

/// The candidate (a process that leads its own group) in whose group some process holds the connection from `peer`
/// to `local`, seen from our side: `peer` is the address that called us.
#[cfg(target_os = "linux")]
pub fn pid_of_local_peer(peer: SocketAddr, local: SocketAddr, candidates: &[u32]) -> Option<u32> {
    if candidates.is_empty() || !peer.ip().to_canonical().is_loopback() && peer.ip() != local.ip() {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        inode_in(&table, peer, local)
    })?;
    let wanted = format!("socket:[{inode}]");
    // The workers themselves first: scanning every process is only for agents that call from a child process.
    if let Some(pid) = candidates.iter().copied().find(|pid| holds(*pid, &wanted)) {
        return Some(pid);
    }
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).find_map(|pid| {
        let group = group_of(pid)?;
        (candidates.contains(&group) && holds(pid, &wanted)).then_some(group)
    })
}

/// The inode of the socket whose own address is `peer` and whose other end is `local`, from the kernel's table.
fn inode_in(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let own = address(fields.nth(1)?)?;
        let other = address(fields.next()?)?;
        let inode = fields.nth(6)?.parse().ok()?;
        (own == canonical(peer) && other == canonical(local)).then_some(inode)
    })
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `0100007F:1F90`: the address as native-endian words in hexadecimal, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = [0; 16];
    let length = ip.len() / 2;
    if length != 4 && length != 16 {
        return None;
    }
    for (index, word) in bytes.as_chunks_mut::<4>().0.iter_mut().take(length / 4).enumerate() {
        let value = u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok()?;
        *word = value.to_ne_bytes();
    }
    let ip = if length == 4 {
        std::net::IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]])
    } else {
        std::net::IpAddr::from(bytes)
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(target_os = "linux")]
fn holds(pid: u32, wanted: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.as_os_str() == wanted)
}

#[cfg(target_os = "linux")]
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, so count from its end: state, parent, group.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_for_both_families() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n   \
            1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n   \
            2: 0000000000000000FFFF00000100007F:C002 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0 0 0 333 1 0\n";
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        if cfg!(target_endian = "little") {
            assert_eq!(inode_in(table, at(0xc001), at(0x1f90)), Some(222));
            assert_eq!(inode_in(table, at(0xc002), at(0x1f90)), Some(333));
            assert_eq!(inode_in(table, at(0x1f90), at(0xc001)), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_call_from_a_child_process_is_tied_to_the_leader_of_its_group() {
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::CommandExt;
        use std::process::{Command, Stdio};

        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let local = server.local_addr().expect("an address");
        let code = format!(
            "import os, socket, time\nif os.fork():\n os.wait()\nelse:\n s = socket.create_connection(('127.0.0.1', {}))\n print('up', flush=True)\n s.recv(1)",
            local.port()
        );
        let mut leader = Command::new("python3")
            .args(["-c", &code])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let (connection, peer) = server.accept().expect("a connection");
        let mut line = String::new();
        BufReader::new(leader.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert_eq!(pid_of_local_peer(peer, local, &[1, leader.id()]), Some(leader.id()));
        assert_eq!(pid_of_local_peer(peer, local, &[std::process::id()]), None);
        drop(connection);
        leader.wait().expect("ended");
    }
}
