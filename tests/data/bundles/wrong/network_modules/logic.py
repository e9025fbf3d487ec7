"""An agent."""

import socket
import urllib.parse
import urllib.request
from http import HTTPStatus, client

import aiohttp

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    parts = (socket, urllib.parse.quote, urllib.request, HTTPStatus, client, aiohttp)
