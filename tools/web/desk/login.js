import { postJson, say, w } from "/assets/desk.js";

say();
document.title = `microtome: ${w("login")}`;
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = document.getElementById("wrong"), value = (id) => document.getElementById(id).value;
  wrong.textContent = "";
  try {
    await postJson("/api/login", { user: value("user"), password: value("password") });
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    location.href = /^\/(?![/\\])/.test(next) ? next : "/"; // our own pages alone
  } catch (refused) {
    wrong.textContent = refused.status === 401 ? w("wrongLogin") : refused.status === 429 ? w("laterLogin") : refused.message;
    document.getElementById("password").select();
  }
});
