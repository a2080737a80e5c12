import { mount } from "svelte";
import App from "./App.svelte";
import "./styles/tokens.css";
import "./styles/elements.css";
import "./styles/parts.css";

mount(App, { target: document.body });
