//! Ports that stay one's own, also while nobody listens on them: a server that is killed must come
//! back at the same address.
//!
//! They lie below the range from which the system gives out ports by itself, and a block of them is
//! held by a lock file, so that tests that run at the same time do not meet.

use std::{fs::File, net::TcpListener};

/// The first port of the first block. Linux gives out 32768 and above by default.
const FIRST: u16 = 21_000;

/// Ports in a block.
const SIZE: u16 = 10;

/// How many blocks there are.
const BLOCKS: u16 = 400;

/// A block of ports, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Ports {
    first: u16,
    // The lock lives as long as the file is open.
    _lock: File,
}

impl Ports {
    /// Takes a block that nobody holds and on which nobody listens.
    ///
    /// # Panics
    /// When all are taken.
    pub(crate) fn take() -> Self {
        // Tests that start together begin their search at different places.
        let begin = u16::try_from(std::process::id() % u32::from(BLOCKS)).expect("less than all blocks");
        let blocks = (0..BLOCKS).map(|block| FIRST + (begin + block) % BLOCKS * SIZE);
        blocks.into_iter().find_map(Self::hold).expect("a free block of ports")
    }

    fn hold(first: u16) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("agentbus-testkit-ports-{first}.lock"));
        let lock = File::options().create(true).truncate(false).write(true).open(path).ok()?;
        lock.try_lock().ok()?;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        (first..first + SIZE).all(is_free).then_some(Self { first, _lock: lock })
    }

    /// The port of this number in the block.
    ///
    /// # Panics
    /// When the block has no such number.
    pub(crate) fn get(&self, number: usize) -> u16 {
        let number = u16::try_from(number).expect("a small number");
        assert!(number < SIZE, "a block has {SIZE} ports");
        self.first + number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_a_block_that_is_held() {
        let (one, other) = (Ports::take(), Ports::take());
        assert_ne!(one.get(0), other.get(0));
        assert!(Ports::hold(one.get(0)).is_none());
        let first = one.get(0);
        drop(one);
        let _listening = TcpListener::bind(("127.0.0.1", first + SIZE - 1)).expect("a port of a block that is free again");
        assert!(Ports::hold(first).is_none(), "somebody listens there");
    }
}
