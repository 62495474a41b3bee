//! Sentences that are alike are told once. Pure.

/// Each sentence once: of several that differ in names and numbers only, the first is told, with how many more
/// there are.
pub(super) fn once(sentences: &[String]) -> Vec<String> {
    let has_digit = |word: &str| word.contains(|own: char| own.is_ascii_digit());
    // A percentile is a figure of its own, not a number that happens to differ.
    let is_percentile = |word: &str| {
        word.strip_prefix('p')
            .is_some_and(|rest| rest.parse::<u8>().is_ok())
    };
    let differs = |word: &&str| word.contains('/') || (has_digit(word) && !is_percentile(word));
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace();
        words
            .filter(|word| !differs(word))
            .map(str::to_owned)
            .collect()
    };
    let mut groups: Vec<(Vec<String>, &String, usize)> = Vec::new();
    for sentence in sentences {
        let own = words(sentence);
        match groups.iter_mut().find(|(words, ..)| *words == own) {
            Some((.., more)) => *more += 1,
            None => groups.push((own, sentence, 0)),
        }
    }
    let told = groups.into_iter().map(|(_, first, more)| match more {
        0 => first.clone(),
        more => format!("{first} (the same of {more} more)"),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_names_and_numbers_is_said_once() {
        let few = |run: &str, replies: u32| format!("/tmp/{run} has {replies} replies, too few");
        let told = once(&[
            few("a", 156),
            "no order".to_owned(),
            few("b", 157),
            few("c", 9),
            "the p90 differs".to_owned(),
            "the p95 differs".to_owned(),
        ]);
        let first = "/tmp/a has 156 replies, too few (the same of 2 more)";
        assert_eq!(
            told,
            [first, "no order", "the p90 differs", "the p95 differs"]
        );
    }
}
