"""Has a long ladder of conditions and a long sum."""

from hairem_core.sdk import BaseAgent


def name(number):
    if number == 0:
        return "0"
    elif number == 1:
        return "1"
    elif number == 2:
        return "2"
    elif number == 3:
        return "3"
    elif number == 4:
        return "4"
    elif number == 5:
        return "5"
    elif number == 6:
        return "6"
    elif number == 7:
        return "7"
    elif number == 8:
        return "8"
    elif number == 9:
        return "9"
    elif number == 10:
        return "10"
    elif number == 11:
        return "11"
    elif number == 12:
        return "12"
    elif number == 13:
        return "13"
    elif number == 14:
        return "14"
    elif number == 15:
        return "15"
    elif number == 16:
        return "16"
    elif number == 17:
        return "17"
    elif number == 18:
        return "18"
    elif number == 19:
        return "19"
    elif number == 20:
        return "20"
    elif number == 21:
        return "21"
    elif number == 22:
        return "22"
    elif number == 23:
        return "23"
    elif number == 24:
        return "24"
    elif number == 25:
        return "25"
    elif number == 26:
        return "26"
    elif number == 27:
        return "27"
    elif number == 28:
        return "28"
    elif number == 29:
        return "29"
    elif number == 30:
        return "30"
    elif number == 31:
        return "31"
    elif number == 32:
        return "32"
    elif number == 33:
        return "33"
    elif number == 34:
        return "34"
    elif number == 35:
        return "35"
    elif number == 36:
        return "36"
    elif number == 37:
        return "37"
    elif number == 38:
        return "38"
    elif number == 39:
        return "39"
    elif number == 40:
        return "40"
    elif number == 41:
        return "41"
    elif number == 42:
        return "42"
    elif number == 43:
        return "43"
    elif number == 44:
        return "44"
    elif number == 45:
        return "45"
    elif number == 46:
        return "46"
    elif number == 47:
        return "47"
    elif number == 48:
        return "48"
    elif number == 49:
        return "49"
    elif number == 50:
        return "50"
    elif number == 51:
        return "51"
    elif number == 52:
        return "52"
    elif number == 53:
        return "53"
    elif number == 54:
        return "54"
    elif number == 55:
        return "55"
    elif number == 56:
        return "56"
    elif number == 57:
        return "57"
    elif number == 58:
        return "58"
    elif number == 59:
        return "59"
    elif number == 60:
        return "60"
    elif number == 61:
        return "61"
    elif number == 62:
        return "62"
    elif number == 63:
        return "63"
    elif number == 64:
        return "64"
    elif number == 65:
        return "65"
    elif number == 66:
        return "66"
    elif number == 67:
        return "67"
    elif number == 68:
        return "68"
    elif number == 69:
        return "69"
    elif number == 70:
        return "70"
    elif number == 71:
        return "71"
    elif number == 72:
        return "72"
    elif number == 73:
        return "73"
    elif number == 74:
        return "74"
    elif number == 75:
        return "75"
    elif number == 76:
        return "76"
    elif number == 77:
        return "77"
    elif number == 78:
        return "78"
    elif number == 79:
        return "79"
    elif number == 80:
        return "80"
    elif number == 81:
        return "81"
    elif number == 82:
        return "82"
    elif number == 83:
        return "83"
    elif number == 84:
        return "84"
    elif number == 85:
        return "85"
    elif number == 86:
        return "86"
    elif number == 87:
        return "87"
    elif number == 88:
        return "88"
    elif number == 89:
        return "89"
    elif number == 90:
        return "90"
    elif number == 91:
        return "91"
    elif number == 92:
        return "92"
    elif number == 93:
        return "93"
    elif number == 94:
        return "94"
    elif number == 95:
        return "95"
    elif number == 96:
        return "96"
    elif number == 97:
        return "97"
    elif number == 98:
        return "98"
    elif number == 99:
        return "99"
    elif number == 100:
        return "100"
    elif number == 101:
        return "101"
    elif number == 102:
        return "102"
    elif number == 103:
        return "103"
    elif number == 104:
        return "104"
    elif number == 105:
        return "105"
    elif number == 106:
        return "106"
    elif number == 107:
        return "107"
    elif number == 108:
        return "108"
    elif number == 109:
        return "109"
    elif number == 110:
        return "110"
    elif number == 111:
        return "111"
    elif number == 112:
        return "112"
    elif number == 113:
        return "113"
    elif number == 114:
        return "114"
    elif number == 115:
        return "115"
    elif number == 116:
        return "116"
    elif number == 117:
        return "117"
    elif number == 118:
        return "118"
    elif number == 119:
        return "119"
    elif number == 120:
        return "120"
    elif number == 121:
        return "121"
    elif number == 122:
        return "122"
    elif number == 123:
        return "123"
    elif number == 124:
        return "124"
    elif number == 125:
        return "125"
    elif number == 126:
        return "126"
    elif number == 127:
        return "127"
    elif number == 128:
        return "128"
    elif number == 129:
        return "129"
    elif number == 130:
        return "130"
    elif number == 131:
        return "131"
    elif number == 132:
        return "132"
    elif number == 133:
        return "133"
    elif number == 134:
        return "134"
    elif number == 135:
        return "135"
    elif number == 136:
        return "136"
    elif number == 137:
        return "137"
    elif number == 138:
        return "138"
    elif number == 139:
        return "139"
    elif number == 140:
        return "140"
    elif number == 141:
        return "141"
    elif number == 142:
        return "142"
    elif number == 143:
        return "143"
    elif number == 144:
        return "144"
    elif number == 145:
        return "145"
    elif number == 146:
        return "146"
    elif number == 147:
        return "147"
    elif number == 148:
        return "148"
    elif number == 149:
        return "149"
    elif number == 150:
        return "150"
    elif number == 151:
        return "151"
    elif number == 152:
        return "152"
    elif number == 153:
        return "153"
    elif number == 154:
        return "154"
    elif number == 155:
        return "155"
    elif number == 156:
        return "156"
    elif number == 157:
        return "157"
    elif number == 158:
        return "158"
    elif number == 159:
        return "159"
    elif number == 160:
        return "160"
    elif number == 161:
        return "161"
    elif number == 162:
        return "162"
    elif number == 163:
        return "163"
    elif number == 164:
        return "164"
    elif number == 165:
        return "165"
    elif number == 166:
        return "166"
    elif number == 167:
        return "167"
    elif number == 168:
        return "168"
    elif number == 169:
        return "169"
    elif number == 170:
        return "170"
    elif number == 171:
        return "171"
    elif number == 172:
        return "172"
    elif number == 173:
        return "173"
    elif number == 174:
        return "174"
    elif number == 175:
        return "175"
    elif number == 176:
        return "176"
    elif number == 177:
        return "177"
    elif number == 178:
        return "178"
    elif number == 179:
        return "179"
    elif number == 180:
        return "180"
    elif number == 181:
        return "181"
    elif number == 182:
        return "182"
    elif number == 183:
        return "183"
    elif number == 184:
        return "184"
    elif number == 185:
        return "185"
    elif number == 186:
        return "186"
    elif number == 187:
        return "187"
    elif number == 188:
        return "188"
    elif number == 189:
        return "189"
    elif number == 190:
        return "190"
    elif number == 191:
        return "191"
    elif number == 192:
        return "192"
    elif number == 193:
        return "193"
    elif number == 194:
        return "194"
    elif number == 195:
        return "195"
    elif number == 196:
        return "196"
    elif number == 197:
        return "197"
    elif number == 198:
        return "198"
    elif number == 199:
        return "199"
    return "many"


LONG = (
    "0"
    + "1"
    + "2"
    + "3"
    + "4"
    + "5"
    + "6"
    + "7"
    + "8"
    + "9"
    + "10"
    + "11"
    + "12"
    + "13"
    + "14"
    + "15"
    + "16"
    + "17"
    + "18"
    + "19"
    + "20"
    + "21"
    + "22"
    + "23"
    + "24"
    + "25"
    + "26"
    + "27"
    + "28"
    + "29"
    + "30"
    + "31"
    + "32"
    + "33"
    + "34"
    + "35"
    + "36"
    + "37"
    + "38"
    + "39"
    + "40"
    + "41"
    + "42"
    + "43"
    + "44"
    + "45"
    + "46"
    + "47"
    + "48"
    + "49"
    + "50"
    + "51"
    + "52"
    + "53"
    + "54"
    + "55"
    + "56"
    + "57"
    + "58"
    + "59"
    + "60"
    + "61"
    + "62"
    + "63"
    + "64"
    + "65"
    + "66"
    + "67"
    + "68"
    + "69"
    + "70"
    + "71"
    + "72"
    + "73"
    + "74"
    + "75"
    + "76"
    + "77"
    + "78"
    + "79"
    + "80"
    + "81"
    + "82"
    + "83"
    + "84"
    + "85"
    + "86"
    + "87"
    + "88"
    + "89"
    + "90"
    + "91"
    + "92"
    + "93"
    + "94"
    + "95"
    + "96"
    + "97"
    + "98"
    + "99"
    + "100"
    + "101"
    + "102"
    + "103"
    + "104"
    + "105"
    + "106"
    + "107"
    + "108"
    + "109"
    + "110"
    + "111"
    + "112"
    + "113"
    + "114"
    + "115"
    + "116"
    + "117"
    + "118"
    + "119"
    + "120"
    + "121"
    + "122"
    + "123"
    + "124"
    + "125"
    + "126"
    + "127"
    + "128"
    + "129"
    + "130"
    + "131"
    + "132"
    + "133"
    + "134"
    + "135"
    + "136"
    + "137"
    + "138"
    + "139"
    + "140"
    + "141"
    + "142"
    + "143"
    + "144"
    + "145"
    + "146"
    + "147"
    + "148"
    + "149"
    + "150"
    + "151"
    + "152"
    + "153"
    + "154"
    + "155"
    + "156"
    + "157"
    + "158"
    + "159"
    + "160"
    + "161"
    + "162"
    + "163"
    + "164"
    + "165"
    + "166"
    + "167"
    + "168"
    + "169"
    + "170"
    + "171"
    + "172"
    + "173"
    + "174"
    + "175"
    + "176"
    + "177"
    + "178"
    + "179"
    + "180"
    + "181"
    + "182"
    + "183"
    + "184"
    + "185"
    + "186"
    + "187"
    + "188"
    + "189"
    + "190"
    + "191"
    + "192"
    + "193"
    + "194"
    + "195"
    + "196"
    + "197"
    + "198"
    + "199"
)


class Agent(BaseAgent):
    name = staticmethod(name)
