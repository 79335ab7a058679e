# Everything that is done with this repository. What is made lies below target/ and .local/.
#
# The tools are pinned in infra/local and put in place by `make setup`, which every target that needs
# them implies; what a machine must have itself is Rust, a C compiler, Python and make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The steps share two things that take one at a time: Cargo's target folder and this machine.
.NOTPARALLEL:

PYTHON ?= python3
TOOLS := .local/venv-tools/bin
CLIENTS := .local/venv-clients/bin
STACK := $(PYTHON) infra/local/stack.py
TEST_STACK := test
PYTHON_SOURCES := infra/local infra/dashboard_preview.py tests/clients $(wildcard docs/examples)

export SAM_CLI_TELEMETRY := 0
export PYTHONDONTWRITEBYTECODE := 1

step = @printf '\n\033[1m== %s\033[0m\n' '$(1)'

##@ To try it

.PHONY: demo
demo: ## Bring the stack up, send 329 real webhooks through it, twice, then let a subscriber fail and redrive
	@$(PYTHON) infra/local/demo.py

.PHONY: up
up: ## Build, start the local AWS, deploy; addresses and keys in .local/stack.env
	@$(STACK) up

.PHONY: down
down: ## Stop what `up` or `demo` started
	@$(STACK) down

.PHONY: setup
setup: ## Put the pinned tools in place, as far as they are not
	@$(PYTHON) infra/local/tools.py

.PHONY: setup-clients
setup-clients: ## Put in place what only the tests' clients in Python and JavaScript need, too
	@$(PYTHON) infra/local/tools.py --clients

##@ To change it

.PHONY: test
test: lint test-unit test-template test-local test-conformance test-e2e ## Run everything below, what fails soonest first
	$(call step,All passed.)

.PHONY: lint
lint: lint-format lint-dependencies lint-template lint-rust docs ## Check formatting, lints, dependencies, template and documentation

.PHONY: fmt
fmt: setup ## Format the Rust and the Python
	cargo fmt
	$(TOOLS)/ruff check --fix $(PYTHON_SOURCES)
	$(TOOLS)/ruff format $(PYTHON_SOURCES)

.PHONY: dashboard-preview
dashboard-preview: setup ## Draw the picture of the dashboard again
	$(TOOLS)/python infra/dashboard_preview.py

.PHONY: docs
docs: ## Build the documentation of every crate; a warning is an error
	$(call step,Documentation)
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace

.PHONY: clean
clean: down ## Stop everything and remove all that was built or fetched
	@$(STACK) down --name $(TEST_STACK)
	cargo clean
	rm -rf .local .aws-sam

##@ The steps of lint

.PHONY: lint-format
lint-format: setup ## Formatting of Rust and Python; lints of Python
	$(call step,Formatting and the Python)
	cargo fmt --check
	$(TOOLS)/ruff format --check $(PYTHON_SOURCES)
	$(TOOLS)/ruff check $(PYTHON_SOURCES)

.PHONY: lint-dependencies
lint-dependencies: setup ## Who may depend on what, licences, sources, and what nobody uses
	$(call step,Dependencies)
	$(TOOLS)/cargo-deny --locked --workspace check bans licenses sources
	$(TOOLS)/cargo-shear

.PHONY: lint-template
lint-template: setup ## The templates, by the SAM CLI and by cfn-lint
	$(call step,Template)
	$(TOOLS)/sam validate --lint --region us-east-1
	$(TOOLS)/cfn-lint template.yaml infra/subscriber.yaml infra/athena.yaml infra/observability.yaml
	$(TOOLS)/python infra/dashboard_preview.py --check

.PHONY: lint-rust
lint-rust: ## Clippy over every target; a warning is an error
	$(call step,Clippy)
	cargo clippy --workspace --all-targets -- -D warnings

##@ The steps of test

.PHONY: test-unit
test-unit: ## The Rust tests that need no engine
	$(call step,Unit tests)
	cargo test --workspace --exclude pillarbox-tests

.PHONY: test-template
test-template: ## The template held against the code
	$(call step,Template contract)
	cargo test --package pillarbox-tests --test template

.PHONY: test-local
test-local: setup ## The local AWS held against Amazon's engine, and the local tools
	$(call step,The local AWS and the local tools)
	$(TOOLS)/python -m pytest infra/local/tests

.PHONY: test-conformance
test-conformance: setup ## Every port's suite on Amazon's own DynamoDB engine
	$(call step,Conformance on the DynamoDB engine of Amazon)
	$(PYTHON) infra/local/dynamodb_local.py -- cargo test --package pillarbox-tests --test conformance

.PHONY: test-e2e
test-e2e: setup-clients ## The deployed template from end to end, on a stack of its own that is always taken down
	$(call step,End to end)
	trap '$(STACK) down --name $(TEST_STACK)' EXIT; \
	$(STACK) up --name $(TEST_STACK); \
	. .local/$(TEST_STACK)/stack.env; \
	cargo test --package pillarbox-tests --test e2e; \
	cargo test --package pillarbox-tests --test e2e_alone -- --test-threads=1; \
	$(CLIENTS)/python -m pytest tests/clients

.PHONY: test-scale
test-scale: setup ## A replay of 100,000 events on a stack of its own; minutes, and not part of `test`
	$(call step,A job of 100 000 events)
	trap '$(STACK) down --name $(TEST_STACK)' EXIT; \
	$(STACK) up --name $(TEST_STACK); \
	. .local/$(TEST_STACK)/stack.env; \
	cargo test --package pillarbox-tests --test scale -- --nocapture

##@ This list

.PHONY: help
help: ## Show what there is
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
