"""Imports what it requires, under the names it has."""

import aiohttp
import dateutil.parser
import orjson as json
import paho.mqtt.client as mqtt
import yaml
from bs4 import BeautifulSoup
from thingamajig import Thing

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    parts = (aiohttp, dateutil.parser, json.loads, mqtt.Client, yaml.safe_load, BeautifulSoup, Thing)
