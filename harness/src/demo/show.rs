//! Text for records and the stored order.

use super::WireRecord;
use super::exchange::Exchange;

pub(super) fn all(exchange: &Exchange, key: &str, order: &str) -> String {
    let request = record("request record", &exchange.request);
    let reply = record("reply record", &exchange.reply);
    format!("{request}\n{reply}\nstored order\n  key      {key}\n  value    {order}\n")
}

fn record(title: &str, record: &WireRecord) -> String {
    let mut text = format!(
        "{title}\n  topic    {}\n  key      {}\n",
        record.topic,
        bytes(record.key.as_deref())
    );
    for (index, (name, value)) in record.headers.iter().enumerate() {
        let label = if index == 0 { "headers" } else { "" };
        text.push_str(&format!(
            "  {label:<8} {name}: {}\n",
            bytes(value.as_deref())
        ));
    }
    text.push_str(&format!("  value    {}\n", bytes(record.value.as_deref())));
    text
}

/// Text as it is. Bytes that are no text, or that would disturb a terminal, are escaped.
fn bytes(value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "(null)".to_owned();
    };
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => value.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_header_by_header() {
        let shown = record(
            "reply record",
            &WireRecord {
                topic: "createOrder.reply".to_owned(),
                key: None,
                headers: vec![
                    ("status-code".to_owned(), Some(b"200".to_vec())),
                    ("raw".to_owned(), Some(vec![0xff, 0x1b])),
                ],
                value: Some(b"{}".to_vec()),
            },
        );
        let expected = "reply record\n  topic    createOrder.reply\n  key      (null)\n  \
                        headers  status-code: 200\n           raw: \\xff\\x1b\n  value    {}\n";
        assert_eq!(shown, expected);
    }
}
