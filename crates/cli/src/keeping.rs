//! What a coordinator is told about keeping: how large the bus may grow, in how many copies, and what leaves when.

use std::{path::Path, time::Duration};

use clap::Args;
use jiff::SignedDuration;
use nats::{Connection, Room};

use crate::{failure::Failure, options};

/// A record leaves the ledger no sooner than this after it has ended: whoever watches must be able to read it first.
const SOONEST: Duration = Duration::from_secs(1);

/// The smallest ledger that is of any use: 1 MiB.
const SMALLEST: u64 = 1 << 20;

/// The smallest that is made unasked: 16 MiB. Where there is no room for that, the server refuses, and that is said.
const LEAST: u64 = 16 << 20;

/// Options of `up` and `serve coordinator`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Keeping")]
pub(crate) struct Keeping {
    /// How large the ledger may grow, and the archive as well, where this bus makes them, as in 500MiB or 4GiB. Default:
    /// 4GiB each, and no more than a quarter of what the server has left to give
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_size: Option<u64>,
    /// Copies in a cluster, where this bus makes the ledger: 1, 3 or 5
    #[arg(long, value_name = "N", default_value = "1", value_parser = options::replicas)]
    replicas: usize,
    /// When a record moves from the ledger to the archive, after it has ended
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = archive_after)]
    archive_after: Duration,
    /// Of more ended records than this, the oldest move sooner
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    archive_beyond: usize,
    /// When a record is dropped from the archive for good
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = retention)]
    retention: Duration,
    // For tests, which cannot wait as long as a bus does.
    #[arg(long, value_name = "DURATION", hide = true, value_parser = options::duration)]
    lease: Option<Duration>,
    #[arg(long, value_name = "DURATION", hide = true, value_parser = options::duration)]
    accept_within: Option<Duration>,
}

impl Keeping {
    /// Copies need several servers; the one that `up` starts is alone.
    pub(crate) fn fits_one_server(&self) -> Result<(), Failure> {
        if self.replicas == 1 {
            return Ok(());
        }
        let message = format!("{} copies need as many servers, and the one that is started here is alone", self.replicas);
        Err(Failure::usage("usage", message).hint("Name a cluster: --nats URL, or leave --replicas out."))
    }

    /// The options of a coordinator whose server keeps its data on the disk of this folder, as far as is known here.
    ///
    /// # Errors
    /// `unavailable`.
    pub(crate) async fn options(&self, connection: &Connection, data: &Path) -> Result<coordinator::Options, Failure> {
        let mut options = coordinator::Options::default();
        options.limits.replicas = self.replicas;
        options.limits.max_bytes = match self.max_size {
            Some(bytes) => bytes,
            None => fitting(options.limits.max_bytes, Room::of(connection).await?, data),
        };
        options.retention.hot = signed(self.archive_after);
        options.retention.most = self.archive_beyond;
        options.retention.keep = signed(self.retention);
        options.policy.lease = self.lease.map_or(options.policy.lease, signed);
        options.policy.accept = self.accept_within.map_or(options.policy.accept, signed);
        Ok(options)
    }
}

/// These bytes, or less where the disk is small or other buses have been given much of it.
fn fitting(bytes: u64, room: Room, data: &Path) -> u64 {
    let free = rustix::fs::statvfs(data).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    free.map_or(bytes, |free| bytes.min(share(room.left(free))))
}

/// A quarter of what is left: the ledger and the archive take one each, and half is for attachments (half of one), for
/// agents and facts (56 MiB), and for the next bus.
fn share(left: u64) -> u64 {
    (left / 4).max(LEAST)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn archive_after(text: &str) -> Result<Duration, String> {
    options::duration(text).and_then(|after| if after < SOONEST { Err("use at least 1s".to_owned()) } else { Ok(after) })
}

/// An id is known, and not given out again, for as long as its record is kept.
fn retention(text: &str) -> Result<Duration, String> {
    let keep = options::duration(text)?;
    if keep < SOONEST { Err("use at least 1s".to_owned()) } else { Ok(keep) }
}

/// Reads a size: a number of bytes, or one with a unit, as in `500MiB`. Units are powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 9] =
        [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("K", 10), ("M", 20), ("G", 30), ("T", 40), ("B", 0)];
    let (number, shift) = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    match bytes {
        Some(bytes) if bytes >= SMALLEST && i64::try_from(bytes).is_ok() => Ok(bytes),
        Some(_) => Err("use at least 1MiB".to_owned()),
        None => Err("use a whole number of bytes, or a size as in 500MiB or 4GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let read = ["1048576", "500MiB", "4GiB", "2G", "1 MiB"].map(|text| size(text).unwrap_or_default());
        assert_eq!(read, [1 << 20, 500 << 20, 4 << 30, 2 << 30, 1 << 20]);
        assert!(["", "GiB", "1.5GiB", "-1", "1KiB", "99999999999TiB", "4GB"].into_iter().all(|text| size(text).is_err()));
    }

    #[test]
    fn there_is_always_room_for_another_bus() {
        let (disk, mut reserved) = (8 << 30, 0);
        for _ in 0..4 {
            let room = Room { reserved, limit: None };
            let each = share(room.left(disk));
            // The ledger, the archive, half as much for attachments, and 56 MiB for agents and facts.
            let takes = each / 2 * 5 + (56 << 20);
            assert!(takes <= room.left(disk), "{each} of {room:?}");
            reserved += takes;
        }
        assert_eq!(share(0), LEAST);
    }

    #[test]
    fn nothing_is_archived_before_it_can_be_read() {
        assert!(archive_after("0s").is_err() && archive_after("1s").is_ok() && retention("30d").is_ok() && retention("0s").is_err());
    }
}
