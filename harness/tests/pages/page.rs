//! The fenced blocks of a page, and what the comments above them tell the runner.

/// Tags of fences that hold no commands. An untagged fence, or `bash`, would hide commands from the runner.
const OTHER_TAGS: [&str; 10] = [
    "csv", "http", "json", "mermaid", "python", "rust", "text", "toml", "xml", "yaml",
];

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// As the page prints it.
    pub(crate) printed: String,
    pub(crate) directives: Directives,
}

/// What the comments above a block say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// `<!-- not run: REASON -->`
    pub(crate) not_run: Option<String>,
    /// `<!-- as printed only: REASON -->`: takes too long for each run of the tests.
    pub(crate) as_printed_only: Option<String>,
    /// `<!-- run as: NEW instead of OLD; NEW instead of OLD -->`
    pub(crate) substitutions: Vec<(String, String)>,
    /// `<!-- exit code: 4 -->`
    pub(crate) exit_code: Option<i32>,
}

impl Directives {
    /// Takes what one comment says; fails if it says it in another form.
    fn take(&mut self, comment: &str) -> Result<(), String> {
        let Some((name, value)) = comment.split_once(':') else {
            return Ok(());
        };
        let value = value.trim();
        match name.trim() {
            "not run" => self.not_run = Some(value.to_owned()),
            "as printed only" => self.as_printed_only = Some(value.to_owned()),
            "exit code" => {
                let code = value.parse().map_err(|_| format!("exit code: {value}"))?;
                self.exit_code = Some(code);
            }
            "run as" => {
                for part in value.split("; ") {
                    let pair = part.split_once(" instead of ");
                    let (new, old) = pair.ok_or_else(|| format!("run as: {part}"))?;
                    self.substitutions.push((old.to_owned(), new.to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Block {
    /// The commands that the tests run; fails where a substitution finds nothing.
    pub(crate) fn shortened(&self) -> Result<String, String> {
        let mut text = self.printed.clone();
        for (old, new) in &self.directives.substitutions {
            if !text.contains(old.as_str()) {
                return Err(format!(
                    "line {}: there is no {old:?} to replace",
                    self.line
                ));
            }
            text = text.replace(old.as_str(), new);
        }
        Ok(text)
    }
}

/// Finds the blocks of commands, those tagged `sh`.
pub(crate) fn blocks(markdown: &str) -> Result<Vec<Block>, String> {
    let (mut found, mut directives) = (Vec::new(), Directives::default());
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let text = line.trim();
        let at = |reason: String| format!("line {}: {reason}", index + 1);
        if let Some(comment) = text
            .strip_prefix("<!--")
            .and_then(|rest| rest.strip_suffix("-->"))
        {
            directives.take(comment).map_err(at)?;
            continue;
        }
        let above = std::mem::take(&mut directives);
        let Some(tag) = text.strip_prefix("```") else {
            continue;
        };
        // A block of a list is indented as its fence is.
        let indent = line.len() - line.trim_start().len();
        let body = lines.by_ref().map(|(_, line)| line);
        let body = body.take_while(|line| line.trim() != "```");
        let body = body.map(|line| line.get(indent..).unwrap_or(line.trim_start()));
        let printed: String = body.map(|line| line.to_owned() + "\n").collect();
        let tag = tag.split([',', ' ']).next().unwrap_or_default();
        match tag {
            "sh" => found.push(Block {
                line: index + 1,
                printed,
                directives: above,
            }),
            other if OTHER_TAGS.contains(&other) => {}
            other => {
                return Err(at(format!(
                    "a fence tagged {other:?}: commands are sh, output is text"
                )));
            }
        }
    }
    Ok(found)
}

/// The code spans of a page outside of its blocks.
pub(crate) fn spans(markdown: &str) -> Vec<String> {
    let mut is_prose = true;
    let prose = markdown.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_prose ^= is_fence;
        is_prose && !is_fence
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    let spans = prose.split('`').skip(1).step_by(2);
    spans.map(|span| span.replace('\n', " ")).collect()
}

#[test]
fn blocks_come_with_their_lines_and_directives() {
    let page = "a `make x`\n\n<!-- run as: -t 1s instead of -t 5m -->\n<!-- exit code: 4 -->\n```sh\nrun -t 5m\n```\n\
                ```text\nout\n```\n- item\n\n  ```sh\n  two\n  ```\n";
    let found = blocks(page).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line, found[0].directives.exit_code), (5, Some(4)));
    assert_eq!(found[0].shortened().unwrap(), "run -t 1s\n");
    assert_eq!(
        (found[1].printed.as_str(), &found[1].directives),
        ("two\n", &Directives::default())
    );
    assert_eq!(spans(page), ["make x"]);
}

#[test]
fn what_the_runner_would_pass_over_is_an_error() {
    for page in [
        "```\nls\n```",
        "```bash\nls\n```",
        "<!-- run as: x -->\n```sh\nls\n```",
        "<!-- exit code: x -->",
    ] {
        assert!(blocks(page).is_err(), "{page}");
    }
    let page = "<!-- run as: b instead of a -->\n```sh\nls\n```";
    assert!(blocks(page).unwrap()[0].shortened().is_err());
}
