//! The live page of the built program: orders by HTTP, and in a browser where there is one.

mod chromium;
mod idle;
mod orders;
mod page;
mod screenshots;
