"""A customer in front of the chat."""

from __future__ import annotations

from playwright.async_api import Page, expect

from conversations.script import Json

ENDED = "completed failed canceled rejected input-required auth-required"


class Chat:
    """The chat in a window.

    Args:
        page: The window.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.stories = page.locator("#conversation task-story")

    async def say(self, text: str) -> None:
        """Write something, and send it."""
        await self.page.locator("#text").fill(text)
        await self.page.locator("#send").click()

    async def fill_in(self, answers: Json) -> None:
        """Answer by the form that waits."""
        form = self.page.locator("task-form form").last
        if [*answers.values()] in ([True], [False]):
            name = "Yes, go ahead" if [*answers.values()] == [True] else "No"
            await form.get_by_role("button", name=name, exact=True).click()
            return
        for name, value in answers.items():
            radio = form.locator(f"input[type=radio][name='{name}'][value='{value}']")
            if await radio.count():
                await radio.check()
            elif await form.locator(f"select[name='{name}']").count():
                await form.locator(f"select[name='{name}']").select_option(str(value))
            else:
                await form.locator(f"[name='{name}']").fill(str(value))
        await form.get_by_role("button", name="Send").click()

    async def until_said(self, text: str) -> None:
        """Wait until something that the customer said is in a task's story."""
        await expect(
            self.stories.locator(".bubble.customer .text").get_by_text(text, exact=True).last
        ).to_be_visible()

    async def until_turn_ends(self, turns: int) -> None:
        """Wait until so many turns are told, nothing is being sent, and the last of them has ended."""
        await self.page.wait_for_function(
            """([turns, ended]) => {
                const stories = [...document.querySelectorAll('#conversation task-story')];
                return document.querySelectorAll('#conversation task-story .turn').length === turns
                    && !document.querySelector('.pending')
                    && stories.length > 0 && ended.split(' ').includes(stories.at(-1).dataset.state);
            }""",
            arg=[turns, ENDED],
        )

    async def tasks(self) -> list[str]:
        """The ids of the tasks that are shown, in order."""
        return await self.stories.evaluate_all("all => all.map((one) => one.story.task.id)")
