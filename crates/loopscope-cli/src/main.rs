//! The `loopscope` program: reads the command line and hands over to the command.

mod demo;
mod drill;
mod dump;
mod exit_codes;
mod files;
mod health;
mod interrupt;
mod messages;
mod postmortem;
mod python;
mod recordings;
mod run;
mod screen;
mod stress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes hidden event-loop problems visible while they happen, with the line to blame and the fix.
#[derive(Parser)]
#[command(name = "loopscope", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunArgs),
    Dump(dump::DumpArgs),
    Health(health::HealthArgs),
    Stress(Box<stress::StressArgs>),
    Drill(drill::DrillArgs),
    Demo(demo::DemoArgs),
    /// The sample service of `demo --rust`
    #[command(hide = true)]
    DemoShop,
    Recordings(recordings::RecordingsArgs),
    Postmortem(postmortem::PostmortemArgs),
}

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Health(args) => health::run(args),
            Command::Stress(args) => stress::run(*args),
            Command::Drill(args) => drill::run(args),
            Command::Demo(args) => demo::run(args),
            Command::DemoShop => demo::run_shop(),
            Command::Recordings(args) => recordings::run(args),
            Command::Postmortem(args) => postmortem::run(args),
        },
        Err(error) => {
            // Closed output is no reason for another exit code.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() {
                exit_codes::USAGE
            } else {
                exit_codes::HEALTHY
            })
        }
    }
}
