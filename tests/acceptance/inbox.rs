//! Mailboxes: people and sessions who fetch what waits for them. First with the SDK, then at a terminal.

mod sdk;
mod terminal;
