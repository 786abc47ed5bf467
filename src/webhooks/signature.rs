//! Signatures as Standard Webhooks has them: HMAC-SHA256 over `id.timestamp.body`
//! (<https://www.standardwebhooks.com>).

use crate::domain::endpoint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signature header, and how many secrets signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// `v1,` and base64, once for each secret, separated by spaces.
    pub header: String,
    /// How many.
    pub count: usize,
}

/// Signs with each secret, so that a receiver that knows one of them is content.
pub fn sign(secrets: &[String], message_id: &str, timestamp: i64, body: &str) -> Signed {
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| Hmac::<Sha256>::new_from_slice(&endpoint::key(secret)?).ok())
        .map(|mut mac| {
            mac.update(format!("{message_id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    Signed { header: signatures.join(" "), count: signatures.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_gets_the_signature_of_the_specification() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let body = r#"{"test": 2432232314}"#;
        let signed = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let secrets = [endpoint::new_secret([1; 32]), endpoint::new_secret([2; 32])];
        let both = sign(&secrets, "msg_1", 7, "{}");
        let each =
            secrets.each_ref().map(|secret| sign(std::slice::from_ref(secret), "msg_1", 7, "{}").header);
        assert_eq!((both.header, both.count), (each.join(" "), 2));
    }
}
