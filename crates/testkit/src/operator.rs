//! JWT credentials for a test: an operator, its account, and users of it, as the NATS JWT
//! documentation (version 2 claims) has them.

use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account. Its server trusts nobody else's users.
pub struct Operator {
    operator: KeyPair,
    account: KeyPair,
    system: KeyPair,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operator")
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account(), system: KeyPair::new_account() }
    }
}

impl Operator {
    /// The settings of a server that trusts this operator.
    #[must_use]
    pub fn settings(&self) -> String {
        let operator = self.operator.public_key();
        let trusted = sign(&self.operator, &operator, "operator", json!({ "type": "operator", "version": 2 }));
        let account = self.account("lab", &self.account);
        let system = self.account("system", &self.system);
        let (account_key, system_key) = (self.account.public_key(), self.system.public_key());
        format!(
            "operator: {trusted}\nsystem_account: {system_key}\nresolver: MEMORY\n\
             resolver_preload: {{ {account_key}: {account}, {system_key}: {system} }}\n"
        )
    }

    /// The text of a credentials file for a user of the account, who may do everything in it.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        self.creds(name, None)
    }

    /// The same, out of date since 2001.
    #[must_use]
    pub fn expired_user(&self, name: &str) -> String {
        self.creds(name, Some(1_000_000_000))
    }

    fn creds(&self, name: &str, expires: Option<u64>) -> String {
        let user = KeyPair::new_user();
        let rights = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2 });
        let mut claims = claims(&self.account, &user.public_key(), name, rights);
        if let Some(expires) = expires {
            claims["exp"] = expires.into();
        }
        let jwt = token(&self.account, &claims);
        let seed = user.seed().expect("a user's own seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }

    fn account(&self, name: &str, key: &KeyPair) -> String {
        // Everything without limit, but no store for the system account: the server refuses that.
        let store = if name == "system" { 0 } else { -1 };
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": store, "disk_storage": store, "streams": store, "consumer": store,
        });
        let rights = json!({ "limits": limits, "default_permissions": { "pub": {}, "sub": {} }, "type": "account", "version": 2 });
        sign(&self.operator, &key.public_key(), name, rights)
    }
}

fn sign(by: &KeyPair, subject: &str, name: &str, rights: Value) -> String {
    token(by, &claims(by, subject, name, rights))
}

fn claims(by: &KeyPair, subject: &str, name: &str, rights: Value) -> Value {
    json!({ "jti": "test", "iat": 1_000_000_000, "iss": by.public_key(), "name": name, "sub": subject, "nats": rights })
}

fn token(by: &KeyPair, claims: &Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = by.sign(signed.as_bytes()).expect("a key that signs");
    format!("{signed}.{}", base64url(&signature))
}

/// Base64 with the URL alphabet and no padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        (0..=chunk.len()).map(|at| char::from(ALPHABET[bits >> (18 - 6 * at) & 63])).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_has_it() {
        let encoded = ["", "f", "fo", "foo", "foob", "\u{fff}"].map(|text| base64url(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "4L-_"]);
    }
}
