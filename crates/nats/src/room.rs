//! How much of the server's storage is still to be had for a stream.
//!
//! A server sets a stream's limit aside when the stream is made, and gives out no more than it has: what other buses
//! on it have been given is gone, however little of it they use. Decides no sizes; who makes a bus does.

use crate::{Connection, Error, Kind, election::elected};

/// What the streams of one account may take, and what has been set aside for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes set aside for the streams that there are, used or not.
    pub reserved: u64,
    /// Bytes that the account may take, where it is limited.
    pub limit: Option<u64>,
}

impl Room {
    /// Asks the server. A cluster that is electing is waited for, 20 s at most.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn of(connection: &Connection) -> Result<Self, Error> {
        let asked = || async { connection.js.query_account().await.map_err(|error| Error::new(Kind::Unavailable, error)) };
        let account = elected(asked).await?;
        // With limits for each number of copies, all that is set aside stands there, and there is no one limit.
        let reserved = account.tiers.values().map(|tier| tier.reserved_storage).fold(account.reserved_storage, u64::saturating_add);
        Ok(Self { reserved, limit: account.limits.max_storage.and_then(|bytes| u64::try_from(bytes).ok()) })
    }

    /// What is left to be set aside, in bytes, on a disk with so many bytes free. A server takes three quarters of
    /// that for itself unless `max_file_store` says otherwise, which it does not tell.
    #[must_use]
    pub fn left(self, free: u64) -> u64 {
        let all = free / 4 * 3;
        self.limit.map_or(all, |limit| all.min(limit)).saturating_sub(self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_were_given_is_not_left() {
        let left = |reserved, limit| Room { reserved, limit }.left(400);
        assert_eq!([left(0, None), left(100, None), left(500, None)], [300, 200, 0]);
        assert_eq!([left(0, Some(50)), left(20, Some(50)), left(0, Some(1000))], [50, 30, 300]);
    }
}
