//! Which process of the run has the other end of a connection, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use loopscope_engine::watch::Kin;
use loopscope_inspect::kernel;

/// The state of a connection that both sides have.
const ESTABLISHED: &str = "01";

/// The processes of a run and their connections to one port.
#[derive(Debug)]
pub(crate) struct Owners {
    root: u32,
    port: u16,
    kin: Kin,
}

/// The near end of a connection.
pub(crate) type Near = (IpAddr, u16);

impl Owners {
    pub(crate) fn of(root: u32, port: u16) -> Self {
        Self {
            root,
            port,
            kin: Kin::of(root),
        }
    }

    /// The process at the near end of each connection to the port. Where a child inherited its parent's connections,
    /// the parent.
    pub(crate) fn now(&mut self) -> BTreeMap<Near, u32> {
        self.kin.update(&kernel::processes(), kernel::parent_pid);
        let pids = std::iter::once(self.root).chain(self.kin.iter().map(|(pid, _)| pid));
        let mut namespaces: BTreeMap<PathBuf, BTreeMap<u64, Near>> = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for pid in pids {
            let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/net")) else {
                continue;
            };
            let connections = namespaces
                .entry(namespace)
                .or_insert_with(|| connections(pid, self.port));
            if connections.is_empty() {
                continue;
            }
            for near in sockets(pid)
                .iter()
                .filter_map(|inode| connections.get(inode))
            {
                owners.entry(*near).or_insert(pid);
            }
        }
        owners
    }
}

/// The connections to a port that the network of a process has, by the inodes of their sockets.
fn connections(pid: u32, port: u16) -> BTreeMap<u64, Near> {
    let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let texts = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let texts: Vec<String> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.lines().skip(1));
    lines
        .filter_map(connection)
        .filter(|(_, _, far_port)| *far_port == port)
        .map(|(inode, near, _)| (inode, near))
        .collect()
}

/// A line of the kernel's table: the inode, the near end and the far end's port.
fn connection(line: &str) -> Option<(u64, Near, u16)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let near = end(words.next()?)?;
    let (_, far_port) = end(words.next()?)?;
    if words.next()? != ESTABLISHED {
        return None;
    }
    let inode = words.nth(5)?.parse().ok()?;
    Some((inode, near, far_port))
}

/// `0100007F:1538` is 127.0.0.1:5432: words of 32 bits, each in the order of this machine.
fn end(text: &str) -> Option<Near> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    let (words, rest) = address.as_bytes().as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    for word in words {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some((address.to_canonical(), port))
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> BTreeSet<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let links = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_own_connection_is_found_by_its_near_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = listener.local_addr().unwrap();
        let stream = TcpStream::connect(far).unwrap();
        let near = stream.local_addr().unwrap();
        let own = std::process::id();
        let found = Owners::of(own, far.port()).now();
        assert_eq!(found, BTreeMap::from([((near.ip(), near.port()), own)]));
        drop(stream);
        assert!(Owners::of(own, far.port()).now().is_empty());
    }

    #[test]
    fn both_kinds_of_address_are_read() {
        let loopback = end(&format!("{:08X}:1538", u32::from_ne_bytes([127, 0, 0, 1])));
        assert_eq!(loopback, Some((IpAddr::V4(Ipv4Addr::LOCALHOST), 5432)));
        let mapped: String = [[0; 4], [0; 4], [0, 0, 0xff, 0xff], [10, 0, 0, 5]]
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word)))
            .concat();
        assert_eq!(
            end(&format!("{mapped}:0050")),
            Some(("10.0.0.5".parse().unwrap(), 80))
        );
        for garbage in [
            "",
            ":",
            "0100007F",
            "01:1538",
            "zz00007F:1538",
            "0100007F:99999",
        ] {
            assert_eq!(end(garbage), None, "{garbage}");
        }
    }
}
