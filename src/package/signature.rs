//! Signatures of packages, as the deployed daemon checks them: in the comment of the archive.
//!
//! Signed are the SHA-256 of each entry's content, in the order of the archive, and the time in decimal: RSA PKCS #1
//! with SHA-256. Sources: langgenius/dify-plugin-daemon bdb5642, pkg/plugin_packager/{signer/withkey/sign_with_key.go,
//! decoder/verifier.go}.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::{Archive, Files, archive};
use crate::codec::json;
use crate::datum::Datum;

/// The key of the tests.
const KEY: &str = include_str!("../../fixtures/signature/key.pem");
/// When the tests sign, in seconds since 1970.
const TIME: u64 = 1_767_225_600;
/// The entry that says in whose name it is signed; the last of the archive.
const CATEGORY: (&str, &[u8]) = (".verification.dify.json", br#"{"authorized_category":"community"}"#);

/// Packs files and signs them with the key of the tests.
///
/// # Errors
/// A path that a zip archive cannot hold.
pub fn pack_signed(files: &Files) -> Result<Vec<u8>, String> {
    let entries = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).chain([CATEGORY]);
    let message = message(entries.clone().map(|(_, content)| content), TIME);
    let key = RsaKeyPair::from_der(&der(KEY)).map_err(|error| error.to_string())?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature)
        .map_err(|_| "the package cannot be signed".to_owned())?;
    let signature = STANDARD.encode(signature);
    archive::pack_entries(entries, &format!(r#"{{"signature":"{signature}","time":{TIME}}}"#))
}

/// Whether a package is signed with the private half of this key (PEM, PKCS #1).
pub fn is_signed(package: &[u8], public: &str) -> bool {
    let Ok(mut archive) = Archive::open(package) else { return false };
    let Ok(comment) = json::parse(archive.comment()) else { return false };
    let text = comment.get("signature").and_then(Datum::as_inserted).unwrap_or_default();
    let time = comment.get("time").and_then(Datum::as_int).and_then(|time| u64::try_from(time).ok());
    let (Ok(signature), Some(time), Ok(contents)) = (STANDARD.decode(text), time, archive.contents()) else {
        return false;
    };
    let message = message(contents.iter().map(Vec::as_slice), time);
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der(public)).verify(&message, &signature).is_ok()
}

fn message<'a>(contents: impl Iterator<Item = &'a [u8]>, time: u64) -> Vec<u8> {
    let hashes = contents.flat_map(|content| Sha256::digest(content).to_vec());
    hashes.chain(time.to_string().into_bytes()).collect()
}

/// What stands between the lines of a PEM file.
fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::is_signed;
    use crate::package::shelf;

    #[test]
    fn a_signature_holds_for_its_contents_and_its_key() {
        let public = include_str!("../../fixtures/signature/trusted.pem");
        let package = shelf::package("good-signed").unwrap();
        assert!(is_signed(&package, public));
        assert!(!is_signed(&package, &public.replacen("wOD7", "wOD8", 1)));
        assert!(!is_signed(&shelf::package("good").unwrap(), public));
        let mut damaged = package.clone();
        let at = damaged.windows(7).rposition(|window| window == b"\"time\":").unwrap() + 7;
        damaged[at] = b'2';
        assert!(!is_signed(&damaged, public));
    }
}
