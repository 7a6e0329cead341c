// Where the server is: without it, Streamlit's page looks below its own address first, two 404s for each page but the first.
window.__streamlit = { BACKEND_BASE_URL: window.location.origin };

// To turn to another page is one step back, not two: the address that a page gives itself as it is drawn takes the place
// of the one without a query by which it was entered.
const push = history.pushState.bind(history);
const replace = history.replaceState.bind(history);
let entered = false; // and nothing done there yet
history.pushState = (state, unused, url) => {
  const to = new URL(url, location.href);
  const same = to.pathname === location.pathname;
  (entered && same ? replace : push)(state, unused, url);
  entered = !same && !to.search;
  speak();
};
for (const action of ["pointerdown", "keydown"]) {
  addEventListener(action, () => { entered = false; }, true);
}

// The language that the page speaks, as languages.py finds it: browsers choose the shapes of letters by it, and a voice.
const speak = () => {
  const asked = new URLSearchParams(location.search).get("lang");
  const language = ["en", "zh"].includes(asked) ? asked : navigator.language.split("-")[0];
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
};
addEventListener("popstate", speak);
speak();
