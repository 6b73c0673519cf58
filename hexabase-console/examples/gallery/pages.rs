//! One specimen of each component.

use hexabase_console::components::*;
use hexabase_console::language::{Language, Texts};
use hexabase_console::money::money;
use hexabase_console::numbers;
use hexabase_core::model::{Condition, ConditionStatus, Currency, Money, OrganizationRole, Phase};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// Name that tries to break out of markup and to change the direction of the text.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&\u{202e}evil\u{2066} שלום 👩‍👩‍👧";

/// Start of all times in the gallery: 2026-11-29T10:12:00Z.
const START: Timestamp = Timestamp::constant(1_795_947_120, 0);

/// Page with all components in the frame of the console.
#[must_use]
pub(crate) fn page(language: Language, theme: Theme) -> Markup {
    let texts = Texts::new(language);
    let content = html! {
        (page_heading(&html! { "Components" }, Some(&html! { "Everything that pages are made of" }),
            Some(&link_button(ButtonKind::Primary, "Create workspace", "#new"))))
        @for (name, specimen) in specimens(&texts) {
            (card(name, None, &specimen))
        }
    };
    shell(&texts, &frame(theme), &content)
}

/// Components by name.
#[must_use]
pub(crate) fn specimens(texts: &Texts) -> Vec<(&'static str, Markup)> {
    vec![
        ("badge", badges(texts)),
        ("button", buttons(texts)),
        ("chart", charts(texts)),
        (
            "conditions",
            conditions(
                texts,
                &[
                    condition("Ready", ConditionStatus::True, ""),
                    condition("Synced", ConditionStatus::False, HOSTILE),
                ],
            ),
        ),
        (
            "confirmation",
            confirmation(
                texts,
                "Revoke",
                HOSTILE,
                &PostForm { action: "#revoke".to_owned(), hidden: vec![("token_id", HOSTILE.to_owned())] },
            ),
        ),
        (
            "copyable",
            html! {
                p { (copyable(texts, "kubectl get pods")) " " (id(texts, "ws_01jdzk3tq8e8htm2w0v7b6xk9a")) }
                (copyable_block(texts, "kubeconfig", "apiVersion: v1\nkind: Config\nclusters: []\n# <hostile> & a line that is far longer than the width of any telephone, which can be scrolled\n"))
            },
        ),
        (
            "crumbs",
            crumbs(texts, &[Link::new("Acme", "/console/orgs/org_1"), Link::new(HOSTILE, "#")], "Members"),
        ),
        ("danger", danger(texts)),
        (
            "dialog",
            html! {
                (dialog_link(ButtonKind::Secondary, "Rename", "#rename"))
                button class="button" type="button" commandfor="rename" command="show-modal" { "Open" }
                (dialog(texts, &Dialog { id: "rename".to_owned(), title: "Rename the group".to_owned(), content: field(texts, &Field::line("group_name", "Name").required()) }))
            },
        ),
        ("diff", differences(texts)),
        (
            "empty",
            html! {
                (empty(&Empty {
                    title: "No workspaces".to_owned(),
                    purpose: "A workspace is a Kubernetes cluster of your own with an API server, users and quotas.".to_owned(),
                    action: Some(Link::new("Create workspace", "#new")),
                    documentation: Some(Link::new("About workspaces", "#docs")),
                }))
                (empty_by_filter(texts, "?"))
            },
        ),
        (
            "facts",
            facts(&[
                ("Plan".to_owned(), html! { "starter" }),
                ("Owner".to_owned(), name(HOSTILE)),
                ("Price".to_owned(), html! { (price(texts)) }),
            ]),
        ),
        ("fields", fields(texts)),
        (
            "menu",
            html! {
                (menu("more", "Actions for Acme", &[
                    MenuItem::Link("Settings".to_owned(), "#settings".to_owned()),
                    MenuItem::Action("Suspend".to_owned(), target("/suspend")),
                    MenuItem::Unavailable("Delete".to_owned(), "your role does not allow this".to_owned()),
                ]))
            },
        ),
        ("meter", meters(texts)),
        (
            "notice",
            html! {
                (flash(texts, &Flash { tone: Tone::Good, message: format!("{HOSTILE} was removed"), undo: Some(target("/undo")) }))
                (notice(Tone::Warning, "A payment is overdue", &html! { p { "The workspaces are suspended on 3 Dec 2026." } }))
                (notice(Tone::Neutral, "This is a sandbox", &html! { p { "No cluster runs behind it." } }))
                (unavailable(texts, "Prometheus"))
            },
        ),
        (
            "pager",
            pager(
                texts,
                &Pager {
                    first_href: Some("?".to_owned()),
                    next_href: Some("?cursor=x".to_owned()),
                    sizes: vec![
                        (25, "?limit=25".to_owned()),
                        (50, "?limit=50".to_owned()),
                        (100, "?limit=100".to_owned()),
                    ],
                    size: 50,
                },
            ),
        ),
        ("plans", plans(texts)),
        (
            "shell-commands",
            shell_commands(
                texts,
                &[ShellCommand {
                    label: "List the members".to_owned(),
                    command: "hexabase members list --organization org_01jdzk3tq8e8htm2w0v7b6xk9a".to_owned(),
                }],
            ),
        ),
        ("steps", progress(texts)),
        ("table", members(texts)),
        ("tree", trees(texts)),
    ]
}

fn target(action: &str) -> PostForm {
    PostForm { action: action.to_owned(), hidden: vec![("csrf", "token".to_owned())] }
}

fn price(texts: &Texts) -> String {
    let currency = Currency::parse("jpy");
    currency.map(|currency| money(texts.language(), Money { amount: 4_900, currency })).unwrap_or_default()
}

fn frame(theme: Theme) -> Shell {
    let item = |icon, label: &str, is_current| NavigationItem {
        icon,
        label: label.to_owned(),
        href: format!("#{label}"),
        is_current,
    };
    let organization = |name: &str, role, is_current| OrganizationEntry {
        name: name.to_owned(),
        href: "#org".to_owned(),
        role,
        is_current,
    };
    Shell {
        product: "Hexabase".to_owned(),
        title: vec!["Components".to_owned(), "Acme".to_owned()],
        has_errors: true,
        appearance: Appearance { theme, ..Appearance::default() },
        stylesheets: vec!["console.css".to_owned()],
        icon: None,
        script: None,
        continue_at: None,
        refresh_seconds: None,
        header: Some(Header {
            home_href: "#home".to_owned(),
            switcher: Some(OrganizationSwitcher {
                current: Some("Acme 株式会社".to_owned()),
                entries: vec![
                    organization("Acme 株式会社", OrganizationRole::Owner, true),
                    organization(HOSTILE, OrganizationRole::Member, false),
                ],
                all_href: "#all".to_owned(),
                create_href: Some("#create".to_owned()),
                invitations: Some(("#invitations".to_owned(), 2)),
            }),
            search: Some(SearchForm {
                href: "#search".to_owned(),
                scope: vec![("org", "org_01jdzk3tq8e8htm2w0v7b6xk9a".to_owned())],
            }),
            account: Some(AccountMenu {
                user: "alice@example.com".to_owned(),
                links: vec![Link::new("Sessions", "#sessions"), Link::new("API tokens", "#tokens")],
                sign_out: Some(target("/sign-out")),
            }),
        }),
        navigation: vec![
            NavigationSection {
                heading: None,
                items: vec![
                    item(Icon::House, "Overview", false),
                    item(Icon::Cube, "Workspaces", true),
                    item(Icon::User, "Members", false),
                    item(Icon::Card, "Billing", false),
                    item(Icon::List, "Audit log", false),
                ],
            },
            NavigationSection {
                heading: Some("production".to_owned()),
                items: vec![
                    item(Icon::Folder, "Projects", false),
                    item(Icon::Group, "Groups", false),
                    item(Icon::Key, "Roles", false),
                    item(Icon::Chart, "Usage", false),
                    item(Icon::Bell, "Alerts", false),
                    item(Icon::Shield, "Security", false),
                    item(Icon::Gear, "Settings", false),
                    item(Icon::Server, "Nodes", false),
                ],
            },
        ],
        ancestors: vec![Link::new("Acme 株式会社", "#org"), Link::new("Workspaces", "#workspaces")],
        flash: None,
        footer: vec![Link::new("Documentation", "#docs"), Link::new("API", "#api")],
    }
}

fn badges(texts: &Texts) -> Markup {
    let phases = [
        Phase::Pending,
        Phase::Provisioning,
        Phase::Ready,
        Phase::Updating,
        Phase::Suspending,
        Phase::Suspended,
        Phase::Resuming,
        Phase::Degraded,
        Phase::Failed,
        Phase::Deleting,
    ];
    let roles = [
        OrganizationRole::Owner,
        OrganizationRole::Admin,
        OrganizationRole::Billing,
        OrganizationRole::Member,
    ];
    html! {
        p class="actions" { @for phase in phases { (phase_badge(texts, phase)) } }
        p class="actions" { @for role in roles { (role_badge(texts, role)) } (badge(Tone::Neutral, HOSTILE)) }
    }
}

fn buttons(texts: &Texts) -> Markup {
    html! {
        div class="actions" {
            (submit_button(texts, ButtonKind::Primary, "Create workspace"))
            (submit_button(texts, ButtonKind::Secondary, "Save"))
            (submit_button(texts, ButtonKind::Danger, "Delete workspace"))
            (link_button(ButtonKind::Secondary, "Settings", "#settings"))
            (disabled_button("no-suspend", "Suspend", "your role does not allow this"))
        }
        p class="actions" { @for shape in Icon::ALL { (icon(*shape)) } }
    }
}

fn charts(texts: &Texts) -> Markup {
    let series = |label: &str, factor: u64, gap: std::ops::Range<u64>| Series {
        label: label.to_owned(),
        points: (0..48_u64)
            .map(|step| {
                let value = u32::try_from((step * step * factor) % 97 + step).unwrap_or_default();
                let at = START + SignedDuration::from_mins(30) * i32::try_from(step).unwrap_or_default();
                (at, (!gap.contains(&step)).then_some(f64::from(value) * 16_777_216.0))
            })
            .collect(),
    };
    let memory = |kind| Chart {
        title: "Memory".to_owned(),
        kind,
        series: vec![series("web", 3, 20..26), series(HOSTILE, 5, 0..4)],
        limit: Some(Limit { label: "Quota".to_owned(), value: 2_147_483_648.0 }),
        is_binary: true,
        format: |value| format!("{:.1}Gi", value / 1_073_741_824.0),
    };
    let requests = Chart {
        series: vec![series("requests", 7, 30..34)],
        limit: None,
        is_binary: false,
        format: |value| format!("{value:.0}"),
        title: "Requests".to_owned(),
        ..memory(ChartKind::Bar)
    };
    let nothing = Chart { series: Vec::new(), title: "Nothing".to_owned(), ..memory(ChartKind::Line) };
    html! {
        (chart(texts, &memory(ChartKind::Area)))
        (chart(texts, &memory(ChartKind::Line)))
        (chart(texts, &requests))
        (chart(texts, &nothing))
        p { "CPU " (sparkline("CPU: 0.4 cores", &[0.1, 0.3, 0.2, 0.8, 0.4, 0.35, 0.4])) }
    }
}

fn condition(kind: &str, status: ConditionStatus, message: &str) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status,
        reason: "Reconciled".to_owned(),
        message: message.to_owned(),
        last_transition_time: START,
    }
}

fn danger(texts: &Texts) -> Markup {
    danger_form(
        texts,
        &DangerForm {
            form: target("/delete"),
            title: "Delete the workspace production".to_owned(),
            consequences: vec!["3 projects with their namespaces".to_owned(), HOSTILE.to_owned()],
            typed_name: Some("production".to_owned()),
            error: Some("the name does not match".to_owned()),
            button: "Delete workspace".to_owned(),
            cancel_href: "#back".to_owned(),
        },
    )
}

fn differences(texts: &Texts) -> Markup {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    html! {
        (diff(texts, &lines(&["read pods", "change deployments", "read secrets"]), &lines(&["read pods", HOSTILE, "read secrets"])))
        (changes(texts, &[
            Change { label: "Parent".to_owned(), before: Some("engineering".to_owned()), after: None },
            Change { label: "Name".to_owned(), before: Some("web".to_owned()), after: Some(HOSTILE.to_owned()) },
        ]))
    }
}

fn fields(texts: &Texts) -> Markup {
    let regions = || vec![Choice::new("tokyo", "Tokyo"), Choice::new("osaka", "Osaka")];
    let refused = Choice {
        value: "owner".to_owned(),
        label: "Owner".to_owned(),
        hint: None,
        refusal: Some("only owners can make owners".to_owned()),
    };
    let roles =
        vec![Choice::new("member", "Member").hint("Membership only; rights come from groups."), refused];
    let errors = [
        SummaryError { field_id: Some("name".to_owned()), message: "the name is taken".to_owned() },
        SummaryError { field_id: None, message: HOSTILE.to_owned() },
    ];
    html! {
        (error_summary(texts, &errors))
        (post_form(&target("/create"), &html! {
            (field(texts, &Field::line("name", "Name").required().value(HOSTILE)
                .hint("Lower-case letters, digits and hyphens.").error(Some("the name is taken".to_owned()))))
            (field(texts, &Field::new("resource", "Resource", Control::Line {
                kind: "text", autocomplete: "off", suggestions: vec!["pods".to_owned(), "services".to_owned()],
            })))
            (field(texts, &Field::new("note", "Note", Control::Lines(3)).value("two\nlines")))
            (field(texts, &Field::new("region", "Region", Control::Select(regions())).value("osaka").required()))
            (field(texts, &Field::new("role", "Role", Control::Radio(roles)).value("member").required()))
            (field(texts, &Field::new("scopes", "Scopes", Control::Checks(regions())).value("tokyo")))
            (form_actions(texts, ButtonKind::Primary, "Create workspace", "#cancel"))
        }))
        (get_form("?", &html! {
            (field(texts, &Field::new("q", "Text", Control::Line { kind: "search", autocomplete: "off", suggestions: Vec::new() })))
            (submit_button(texts, ButtonKind::Secondary, "Filter"))
        }))
    }
}

fn meters(texts: &Texts) -> Markup {
    let cpu = |used: f64, reserved: f64, limit: Option<f64>| Meter {
        label: "CPU".to_owned(),
        used,
        reserved,
        limit,
        used_text: used.to_string(),
        reserved_text: reserved.to_string(),
        limit_text: limit.map(|limit| limit.to_string()).unwrap_or_default(),
    };
    html! {
        (meter(texts, &cpu(1.5, 0.0, Some(4.0))))
        (meter(texts, &cpu(1.5, 2.25, Some(4.0))))
        (meter(texts, &cpu(5.0, 0.0, Some(4.0))))
        (meter(texts, &cpu(0.0, 0.0, Some(0.0))))
        (meter(texts, &cpu(2.0, 0.0, None)))
        p class="note" { (numbers::size(1_610_612_736)) " " (numbers::count(12_345)) " " (members_text(texts, 1)) }
    }
}

fn plans(texts: &Texts) -> Markup {
    let plan = |title: &str, amount: i64, is_chosen: bool| PlanCard {
        title: title.to_owned(),
        price: Currency::parse("usd")
            .map(|currency| money(texts.language(), Money { amount, currency }))
            .unwrap_or_default(),
        effect: Some("+$16.30 on the next invoice".to_owned()),
        facts: vec![("CPU".to_owned(), "4".to_owned()), ("Memory".to_owned(), "8Gi".to_owned())],
        badge: is_chosen.then(|| "Current plan".to_owned()),
        choice: Some(PlanChoice { name: "plan_id".to_owned(), value: title.to_owned(), is_chosen }),
        refusal: None,
        action: None,
    };
    let refused =
        PlanCard { refusal: Some("needs a payment method".to_owned()), ..plan("enterprise", 490_000, false) };
    plan_cards("Plan", &[plan("starter", 0, true), plan("team", 4_900, false), refused])
}

fn progress(texts: &Texts) -> Markup {
    let step = |label: &str, state, detail: Option<&str>| Step {
        label: label.to_owned(),
        state,
        detail: detail.map(|detail| html! { (detail) }),
        at: (state != StepState::Waiting).then_some(START),
    };
    steps(
        texts,
        &[
            step("Choose a host cluster", StepState::Completed, None),
            step(
                "Apply the objects of the control plane",
                StepState::Running,
                Some("waiting for the volume"),
            ),
            step(
                "Bind the roles",
                StepState::Failed,
                Some("the API server refused the request; retry the task"),
            ),
            step("Publish the address", StepState::Waiting, None),
        ],
    )
}

fn members(texts: &Texts) -> Markup {
    let row = |user: &str, role, count: u64| Row {
        cells: vec![
            html! { a href="#user" { (name(user)) } },
            role_badge(texts, role),
            html! { (numbers::count(count)) },
            menu(
                &format!("menu-{count}"),
                user,
                &[MenuItem::Link("Remove".to_owned(), "#remove".to_owned())],
            ),
        ],
        live: Some((format!("row-{count}"), "members:org_1".to_owned())),
    };
    table(&Table {
        caption: "Members".to_owned(),
        is_caption_hidden: false,
        columns: vec![
            Column::text("Name"),
            Column::text("Role"),
            Column::number("Groups"),
            Column::actions("Actions"),
        ],
        rows: vec![
            row("alice@example.com", OrganizationRole::Owner, 12),
            row(HOSTILE, OrganizationRole::Member, 1_234),
            row(&"長い名前".repeat(16), OrganizationRole::Billing, 0),
        ],
    })
}

fn trees(texts: &Texts) -> Markup {
    let node = |label: &str, children| TreeNode {
        label: html! { a href="#project" { (name(label)) } },
        facts: html! { (members_text(texts, 3)) },
        children,
    };
    let choice = |label: &str, refusal: Option<&str>, children| TreeChoice {
        value: label.to_owned(),
        label: label.to_owned(),
        refusal: refusal.map(str::to_owned),
        children,
    };
    html! {
        (tree("Groups", &[node("WorkspaceMembers", vec![node("WSAdmins", vec![node(HOSTILE, Vec::new())]), node("WSUsers", Vec::new())])]))
        (tree_choice(&Field::line("parent_id", "New parent").value("WSUsers").error(Some("choose another group".to_owned())), &[
            choice("WorkspaceMembers", None, vec![choice("WSAdmins", Some("a group cannot be below itself"), Vec::new()), choice("WSUsers", None, Vec::new())]),
        ]))
    }
}
