// Tabs: shows one panel at a time. Arrow keys move between the tabs, and the address keeps the choice. The address does
// not name an element, because the browser would put the focus on it.

export function setUpTabs(onShow) {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  const show = (chosen) => {
    for (const tab of tabs) {
      const is = tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      panel(tab).hidden = !is;
    }
    history.replaceState(null, "", `#/${panel(chosen).id}`);
    onShow(panel(chosen).id);
  };

  for (const tab of tabs) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const there = tabs.filter((own) => !own.hidden);
      const index = there.indexOf(tab);
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: there.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = there[(to + there.length) % there.length];
      next.focus();
      show(next);
    });
  }
  show(tabs.find((tab) => !tab.hidden && `#/${panel(tab).id}` === location.hash) ?? tabs[0]);
}
