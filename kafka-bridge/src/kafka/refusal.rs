//! Checks librdkafka's build features, and masks secrets in its errors about properties.

use kafka_cluster_url::masked_refusal;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::Error;

/// Masks the value of the refused property, if the value may be a secret.
fn masked(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::ClientConfig(code, reason, name, value) => {
            let (value, reason) = masked_refusal(&name, &value, &reason);
            KafkaError::ClientConfig(code, reason, name, value)
        }
        other => other,
    }
}

/// Converts an error of the client to the bridge's error. Secrets are masked.
pub(super) fn failed(context: &str, error: KafkaError) -> Error {
    Error::Kafka {
        context: context.to_owned(),
        is_configuration: matches!(
            error,
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)
        ),
        source: Box::new(masked(error)),
    }
}

/// Returns the features that librdkafka was built with, under its own names.
pub(super) fn built_in_features() -> String {
    let config = ClientConfig::new().create_native_config();
    let features = config.and_then(|config| config.get("builtin.features"));
    features.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SASL/PLAIN on a plain connection works with every build of librdkafka.
    #[test]
    fn sasl_plain_without_tls_works_in_every_build() {
        let mut config = ClientConfig::new();
        config
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", "u")
            .set("sasl.password", "p");
        let client = config.create::<rdkafka::producer::BaseProducer>();
        assert!(client.is_ok(), "{:?}", client.err());
    }

    #[test]
    fn the_feature_builds_tls_in() {
        let has_tls = built_in_features().split(',').any(|one| one == "ssl");
        assert!(has_tls || !cfg!(feature = "tls"));
    }

    #[test]
    fn openid_connect_is_taken_where_it_is_built_in_and_refused_elsewhere() {
        let mut config = ClientConfig::new();
        config
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanism", "OAUTHBEARER")
            .set("sasl.oauthbearer.method", "oidc")
            .set("sasl.oauthbearer.client.id", "bridge")
            .set("sasl.oauthbearer.client.secret", "hunter2")
            .set(
                "sasl.oauthbearer.token.endpoint.url",
                "http://127.0.0.1:1/token",
            );
        let client = config.create::<rdkafka::producer::BaseProducer>();
        let has_oidc = built_in_features().split(',').any(|one| one == "oidc");
        assert!(has_oidc || !cfg!(feature = "oidc"));
        assert_eq!(client.is_ok(), has_oidc);
        let told = client
            .err()
            .map(|error| format!("{:?}", failed("creating", error)));
        assert!(!told.unwrap_or_default().contains("hunter2"));
    }

    #[test]
    fn a_refused_property_keeps_its_secret() {
        for (name, value, is_told) in [
            ("sasl.passwrod", "hunter2", false),
            ("linger.ms", "soon", true),
        ] {
            let mut config = ClientConfig::new();
            config.set(name, value);
            let error = masked(config.create_native_config().err().unwrap());
            let told = format!("{error} {error:?}");
            assert!(told.contains(name), "{told}");
            assert_eq!(told.contains(value), is_told, "{told}");
        }
    }
}
