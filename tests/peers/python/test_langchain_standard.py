"""LangChain's own tests of a chat model, those of plain text: tools, schemas and pictures are not there."""

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestAmusd(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def address(self, base_url):
        type(self).base_url = base_url

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": "any",
            "base_url": self.base_url,
            "api_key": "none",
            "stream_usage": True,
            "max_tokens": 16,
            "max_retries": 0,
        }

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False
