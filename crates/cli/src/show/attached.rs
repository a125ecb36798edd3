//! What goes with a query or an answer, one a line. How to get it is said once, and never with a name from the bus in it:
//! a line that is copied to a shell must be harmless.

use agentbus::{Attachment, QueryId};

use super::{amount::bytes, fields::Fields, plain::plain, style::dim};

/// Name, size and type of each.
pub(super) fn show<'a>(out: &mut Fields, id: QueryId, attachments: impl IntoIterator<Item = &'a Attachment>) {
    let mut attachments = attachments.into_iter().peekable();
    if attachments.peek().is_none() {
        return;
    }
    out.heading("attachments");
    attachments.for_each(|one| out.line(format_args!("  {}", line(one))));
    out.line(format_args!("  {}", dim(format_args!("to get one: agentbus attachment {id} NAME -o FILE"))));
}

/// All of them in one line.
pub(super) fn gist<'a>(attachments: impl IntoIterator<Item = &'a Attachment>) -> String {
    attachments.into_iter().map(line).collect::<Vec<_>>().join("; ")
}

fn line(one: &Attachment) -> String {
    let media_type = one.media_type.as_deref().map(|text| format!(", {}", plain(text))).unwrap_or_default();
    format!("{}, {}{media_type}", plain(&one.name), bytes(one.size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::testing::uncoloured;

    #[test]
    fn names_are_harmless_and_in_no_command() {
        let mut out = Fields::default();
        let hostile = Attachment::inline("a\u{202e}$(reboot).txt", &[0; 2048]).media_type("text/plain\u{9b}2J");
        let id = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3".parse().unwrap_or_else(|_| QueryId::mint());
        show(&mut out, id, [&hostile]);
        insta::assert_snapshot!(uncoloured(&out.finish()), @r"

        attachments
          a�$(reboot).txt, 2.0 KiB, text/plain�2J
          to get one: agentbus attachment 0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3 NAME -o FILE
        ");
    }
}
