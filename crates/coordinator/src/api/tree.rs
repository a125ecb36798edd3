//! `tree`: a query with everything that was asked on its behalf.

use ledger::{Book, Fold, Key};
use nats::Call;
use protocol::{Branch, Name, Tree};

use super::{read, reply};
use crate::service::Service;

/// The most queries that are shown.
const MOST: usize = 1000;

/// `tree`: the payload is a query's id, bare or as `{"id"}`. Only of what the ledger holds it is known what was asked
/// on whose behalf; of a query in the archive its own line is given.
pub(super) fn tree(service: &Service, call: Call, caller: &Name) {
    let which = match read::which(call.payload()) {
        Ok(which) => which,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    if let Some(fold) = service.desk.find(which.id, caller) {
        let tree = grown(service, fold);
        return reply(service, call, Ok(tree));
    }
    let (connection, caller) = (service.effects.connection.clone(), caller.clone());
    service.effects.tasks.spawn(async move {
        let tree = read::look_up(&connection, which.id, &caller, 1).await.map(|record| {
            let parent = record.query.get("parent").and_then(|parent| parent.as_str()?.parse().ok());
            Tree { branches: vec![Branch { depth: 0, parent, path: Vec::new(), query: ledger::summary_of(&record) }], ..Tree::default() }
        });
        call.answer(tree.as_ref()).await;
    });
}

/// The tree below a query.
fn grown(service: &Service, root: &Fold) -> Tree {
    let (book, now) = (service.desk.book(), service.now());
    let mut tree = Tree::default();
    let mut ahead: Vec<(u32, &Fold)> = vec![(0, root)];
    while let Some((depth, fold)) = ahead.pop() {
        tree.omitted += book.unlisted(fold.key());
        if tree.branches.len() >= MOST {
            tree.omitted += 1;
        } else {
            tree.branches.push(branch(book, depth, fold, service.desk.waiting_for(fold.key(), now, &service.agents)));
        }
        let children: Vec<_> = book.children(fold.key()).map(|child| (depth + 1, child)).collect();
        ahead.extend(children.into_iter().rev());
    }
    tree
}

fn branch(book: &Book, depth: u32, fold: &Fold, waiting_for: Option<String>) -> Branch {
    let key: &Key = fold.key();
    let parent = book.parent(key).map(|parent| parent.id);
    Branch { depth, parent, path: book.path(key).to_vec(), query: ledger::summary(fold, waiting_for) }
}
