//! The faults by their ids, as the table of faults has them.

use std::fmt;

macro_rules! faults {
    ($($id:ident $what:literal;)*) => {
        /// A fault of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $what] $id,)*
        }

        impl Fault {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// What happens.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$id => $what,)*
                }
            }
        }
    };
}

faults! {
    F1 "a coordinator is killed";
    F2 "an agent host is killed in the middle of its work";
    F3 "the server is killed";
    F4 "the power is cut";
    F5 "an agent host is frozen and thaws after its lease";
    F6 "one of several coordinators is frozen and thaws";
    F7 "the server is frozen";
    F8 "a subscriber never reads";
    F9 "the ledger is full";
    F10 "the network is cut, one way or both, or only half";
    F12 "the same query comes again";
    F13 "a query kills whoever works on it";
    F14 "a payload is too large";
    F15 "bytes are malformed";
    F16 "a query breaks its schema";
    F18 "names and ids are hostile";
    F20 "progress comes late, again, and after the end";
    F21 "a cancel races against the completion";
    F23 "an agent stalls";
    F25 "an older and a newer version run together";
    F26 "nodes of a cluster are killed and cut off";
    F28 "ids are empty, repeated, or collide";
    F31 "a requester is gone when the answer comes";
    F32 "some of several agents that are asked at once fail";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}
