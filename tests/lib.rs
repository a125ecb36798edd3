//! The acceptance tests stand in `acceptance/`: real servers, real processes, one test binary.
