use sluice_expression::Expression;
use sluice_plan::{Named, StepCondition};
use sluice_source::Diagnostic;

use super::manifest::{ActionInput, ActionManifest, ActionRuns, DockerImage, DockerRuns, NodeRuns, Staged};
use crate::convert::{Converter, expression_of_source};
use crate::schema::Names;
use crate::token::{Content, Token};

/// Versions of Node.js that a manifest may name.
const NODE_VERSIONS: [u32; 4] = [12, 16, 20, 24];

/// Makes the manifest. It is whole only if there is no error.
pub(super) fn manifest(
    path: &str,
    root: &Token,
    max_errors: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ActionManifest> {
    let mut converter = Converter::new(path, Names::ACTION_STEP_IF, max_errors, diagnostics);
    let runs = root.get("runs")?;
    let outputs = root.get("outputs").and_then(Token::entries).unwrap_or_default();
    let value = |(name, output): &(Token, Token)| {
        Some(Named::new(name.to_text(), output.get("value")?.to_template()))
    };
    Some(ActionManifest {
        name: root.get("name").map(Token::to_text),
        inputs: inputs(root.get("inputs")),
        outputs: outputs.iter().filter_map(value).collect(),
        runs: converter.runs(runs)?,
    })
}

fn inputs(token: Option<&Token>) -> Vec<ActionInput> {
    let input = |(name, input): &(Token, Token)| ActionInput {
        name: name.to_text(),
        default: input.get("default").map(Token::to_template),
        required: input.get("required").is_some_and(|token| token.to_text().eq_ignore_ascii_case("true")),
        deprecation_message: input.get("deprecationMessage").map(Token::to_text),
    };
    token.and_then(Token::entries).unwrap_or_default().iter().map(input).collect()
}

impl Converter<'_> {
    fn runs(&mut self, runs: &Token) -> Option<ActionRuns> {
        let Some(using) = runs.get("using") else {
            self.error("github/action", runs.span, "`runs` has no `using`: it says what runs the action");
            return None;
        };
        let name = using.to_text();
        if name.eq_ignore_ascii_case("docker") {
            return self.docker(runs).map(ActionRuns::Docker);
        }
        if name.eq_ignore_ascii_case("composite") {
            return self.composite(runs);
        }
        let version = name.to_ascii_lowercase().strip_prefix("node").and_then(|digits| digits.parse().ok());
        match version.filter(|version| NODE_VERSIONS.contains(version)) {
            Some(version) => self.node(runs, version).map(ActionRuns::Node),
            None => {
                let message = format!("'using: {name}' is not supported");
                let help = "it may be composite, docker, node12, node16, node20 or node24";
                self.error_with_help("github/action", using.span, message, help);
                None
            }
        }
    }

    /// The value of a key that this kind of action cannot do without, or GitHub's words for its absence.
    fn needed<'t>(&mut self, runs: &'t Token, key: &str, words: &str) -> Option<&'t Token> {
        let found = runs.get(key);
        if found.is_none() {
            let message = format!("{words} `runs.{key}` is missing");
            self.error("github/action", runs.span, message);
        }
        found
    }

    fn composite(&mut self, runs: &Token) -> Option<ActionRuns> {
        let steps = self.needed(runs, "steps", "No steps provided.")?;
        Some(ActionRuns::Composite(self.steps(steps)))
    }

    fn node(&mut self, runs: &Token, version: u32) -> Option<NodeRuns> {
        let main = self.needed(runs, "main", "Entry javascript file is not provided.")?;
        Some(NodeRuns {
            version,
            main: main.to_text(),
            pre: self.staged(runs, "pre", "pre-if"),
            post: self.staged(runs, "post", "post-if"),
        })
    }

    fn docker(&mut self, runs: &Token) -> Option<DockerRuns> {
        let image = self.needed(runs, "image", "Image is not provided.")?;
        let text = image.to_text();
        let is_dockerfile = text.ends_with("Dockerfile") || text.ends_with("dockerfile");
        let image = match text.get(.."docker://".len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case("docker://") => {
                DockerImage::Registry(text["docker://".len()..].to_owned())
            }
            _ if is_dockerfile => DockerImage::Dockerfile(text),
            _ => {
                let message =
                    format!("'{text}' should be either '[path]/Dockerfile' or 'docker://image[:tag]'.");
                self.error("github/action", image.span, message);
                return None;
            }
        };
        let args = runs.get("args").and_then(Token::items);
        Some(DockerRuns {
            image,
            entrypoint: runs.get("entrypoint").map(Token::to_text),
            args: args.map(|args| args.iter().map(Token::to_template).collect()),
            env: runs.get("env").map(|env| self.env(env)).unwrap_or_default(),
            pre: self.staged(runs, "pre-entrypoint", "pre-if"),
            post: self.staged(runs, "post-entrypoint", "post-if"),
        })
    }

    fn staged(&mut self, runs: &Token, entry: &str, condition: &str) -> Option<Staged> {
        let entry = runs.get(entry)?.to_text();
        let token = runs.get(condition).filter(|token| !matches!(token.content, Content::Null));
        let condition = match token {
            Some(_) => self.condition(token, Names::STEP_IF),
            None => expression_of_source("always()"),
        };
        Some(Staged { entry, condition: StepCondition::Expression(as_it_stands(condition)) })
    }
}

/// GitHub puts no `success() &&` before these.
fn as_it_stands(condition: Expression) -> Expression {
    match condition.uses_status_function() {
        true => condition,
        false => expression_of_source(&format!("always() && ({})", condition.source())),
    }
}
