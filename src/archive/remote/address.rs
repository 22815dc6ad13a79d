//! `s3://BUCKET/PREFIX`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RemoteError;

/// Where in an object store an archive lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    bucket: String,
    /// Without slashes at its ends; may be empty.
    prefix: String,
}

impl Address {
    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key of an object.
    pub(super) fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// An object as people are told of it.
    pub(super) fn object(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }
}

impl FromStr for Address {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Address, RemoteError> {
        let wrong = |why| RemoteError::Address { text: text.to_owned(), why };
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let sound = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if bucket.is_empty() || !bucket.chars().all(sound) {
            return Err(wrong("a bucket's name is letters, digits, `.`, `-` and `_`"));
        }
        let prefix = prefix.trim_matches('/');
        let part = |part: &str| !part.is_empty() && part != "." && part != "..";
        let parts = prefix.is_empty() || prefix.split('/').all(part);
        if !parts || !prefix.chars().all(|c| sound(c) || "/=+".contains(c)) {
            return Err(wrong("a prefix is letters, digits, `.`, `-`, `_`, `=`, `+` and single slashes"));
        }
        Ok(Address { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "s3://{}", self.bucket),
            prefix => write!(f, "s3://{}/{prefix}", self.bucket),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Address, RemoteError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        let read = |text: &str| text.parse::<Address>().map(|a| (a.to_string(), a.key("index.json")));
        let some = |a: &str, k: &str| (a.to_owned(), k.to_owned());
        assert_eq!(read("s3://logs").unwrap(), some("s3://logs", "index.json"));
        assert_eq!(read("s3://logs/").unwrap(), some("s3://logs", "index.json"));
        assert_eq!(read("s3://my.logs/site-a/x/").unwrap(), some("s3://my.logs/site-a/x", "site-a/x/index.json"));
        for wrong in ["logs/x", "s3://", "s3:///x", "s3://a b/x", "s3://a/../b", "s3://a/b//c", "s3://a/ü", "gs://a"] {
            assert!(read(wrong).unwrap_err().to_string().contains("write s3://BUCKET/PREFIX"), "{wrong}");
        }
    }
}
